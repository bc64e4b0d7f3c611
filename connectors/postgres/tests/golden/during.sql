INSERT INTO kinds (b, i2, i4, i8, f4, f8, n, n0, nneg, nsmall, nv, c, v, v0, t, ch, nm, bin, u, j, jb, d, tm, tm0, tm3, ts, ts0, ts3, ts4, tz, tz0, tz3, ab, ai2, ai, ai8, af4, af8, at, av, au)
SELECT b, i2, i4, i8, f4, f8, n, n0, nneg, nsmall, nv, c, v, v0, t, ch, nm, bin, u, j, jb, d, tm, tm0, tm3, ts, ts0, ts3, ts4, tz, tz0, tz3, ab, ai2, ai, ai8, af4, af8, at, av, au FROM kinds ORDER BY id;

UPDATE kinds SET b = NULL WHERE id = 1;
DELETE FROM kinds WHERE id = 2;

INSERT INTO defaults (b, u, dn, tmn, ts, tz) VALUES (true, NULL, '2020-01-02', '01:02:04', '2020-01-02 00:00:00', '2020-01-02 00:00:00+00');
UPDATE defaults SET t = NULL, nv = NULL, e = NULL WHERE id = 1;
DELETE FROM defaults WHERE id = 2;

INSERT INTO toasted SELECT 1, 1, string_agg(md5(i::text), ''), string_agg(decode(md5(i::text), 'hex'), ''), jsonb_agg(md5(i::text)), array_agg(md5(i::text)), array_agg(i * 1000003),
    repeat('1234567890', 600)::numeric, array_agg(md5(i::text)::uuid), array_agg(i * 0.1) FROM generate_series(1, 400) i;

UPDATE toasted SET small = 2;
UPDATE toasted SET id = 3;
DELETE FROM toasted;

INSERT INTO full_identity VALUES (3, 'c');
UPDATE full_identity SET v = 'b' WHERE id = 1;
UPDATE full_identity SET id = 20 WHERE id = 2;
DELETE FROM full_identity WHERE id = 1;

UPDATE by_index SET v = 'w';
UPDATE by_index SET b = 'y';
DELETE FROM by_index;

UPDATE pair SET v = 'w';
UPDATE pair SET k2 = 3;
DELETE FROM pair;

INSERT INTO keyless VALUES (2, NULL);

INSERT INTO nothing_sent VALUES (1, 'a');

INSERT INTO "Odd . Schema"."Table-Ü" VALUES (2, NULL, NULL, NULL, NULL);
UPDATE "Odd . Schema"."Table-Ü" SET "Id" = 3 WHERE "Id" = 1;

INSERT INTO changing VALUES (2, 'b', 2);

ALTER TABLE changing RENAME old_name TO new_name;
INSERT INTO changing VALUES (3, 'c', 3);

ALTER TABLE changing ALTER n TYPE bigint;
INSERT INTO changing VALUES (4, 'd', 4);

ALTER TABLE changing ADD added text DEFAULT 'new';
UPDATE changing SET n = 5 WHERE id = 4;

ALTER TABLE changing DROP CONSTRAINT changing_pkey;
ALTER TABLE changing ADD PRIMARY KEY (id, n);
INSERT INTO changing VALUES (5, 'e', 5);
DELETE FROM changing WHERE id = 4;

INSERT INTO generated VALUES (2, 3, DEFAULT, 'y');
UPDATE generated SET a = 4 WHERE id = 1;

SELECT pg_logical_emit_message(true, 'prefix', 'content');

BEGIN;
INSERT INTO empty_one VALUES (1);
SAVEPOINT s;
INSERT INTO empty_one VALUES (2);
ROLLBACK TO s;
INSERT INTO empty_one VALUES (3);
COMMIT;

TRUNCATE empty_one, full_identity;
