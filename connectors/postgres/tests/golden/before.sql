CREATE TABLE kinds (
    id serial PRIMARY KEY,
    b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision,
    n numeric(10,2), n0 numeric(5), nneg numeric(5,-2), nsmall numeric(2,4), nv numeric,
    c char(5), v varchar(10), v0 varchar, t text, ch "char", nm name,
    bin bytea, u uuid, j json, jb jsonb,
    d date, tm time, tm0 time(0), tm3 time(3), ts timestamp, ts0 timestamp(0), ts3 timestamp(3), ts4 timestamp(4),
    tz timestamptz, tz0 timestamptz(0), tz3 timestamptz(3),
    ab boolean[], ai2 smallint[], ai integer[], ai8 bigint[], af4 real[], af8 double precision[],
    at text[], av varchar(5)[], au uuid[]
);
INSERT INTO kinds (b, i2, i4, i8, f4, f8, n, n0, nneg, nsmall, nv, c, v, v0, t, ch, nm, bin, u, j, jb,
    d, tm, tm0, tm3, ts, ts0, ts3, ts4, tz, tz0, tz3, ab, ai2, ai, ai8, af4, af8, at, av, au) VALUES
(true, 1, 2, 3, 1.5, 2.5, 1.1, 22, 1234, 0.0012, 10, 'ab', 'cd', 'ef', 'gü', 'x', 'name', '\x0102ff',
    '6d8c5b1e-6f7e-4d3a-9d0a-2f1f6c1f0a11', '{ "a" : [1, 2] }', '{ "b" : 1 }',
    '2016-11-04', '13:51:30.123456', '13:51:30', '13:51:30.123', '2016-11-04 13:51:30.123456', '2016-11-04 13:51:30',
    '2016-11-04 13:51:30.123', '2016-11-04 13:51:30.1234', '2016-11-04 13:51:30.123456+02', '2016-11-04 13:51:30+02',
    '2016-11-04 13:51:30.120+02', '{t,f,NULL}', '{1,-2}', '{3,NULL,-4}', '{5,-6}', '{1.5,-0.25}', '{2.5,1e300}',
    '{a,NULL,"b,c","d\"e"}', '{x,y}', '{6d8c5b1e-6f7e-4d3a-9d0a-2f1f6c1f0a11}'),
(false, -32768, -2147483648, -9223372036854775808, '-Infinity', 'NaN', -99999999.99, -99999, -999900, -0.0099, 22000,
    '', '', '', '', 'y', 'n', '', '00000000-0000-0000-0000-000000000000', 'null', 'null',
    '0001-01-01', '00:00:00', '24:00:00', '00:00:00.001', '0001-01-01 00:00:00', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999',
    '1969-12-31 23:59:59.9999', '1969-12-31 23:59:59.999999+00', '0001-01-01 00:00:00+00', '1969-12-31 23:59:59.9+00',
    '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
(NULL, 32767, 2147483647, 9223372036854775807, 'Infinity', 1e-300, 0, 0, 0, 0, 0.000100, 'abcde', 'abcdefghij', ' x ', E'a\nb\tc\\', 'z', 'm',
    '\x00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '"s"', '[1, {"z": 1, "a": 2}]',
    '5874897-12-31', '24:00:00', '23:59:59', '24:00:00', '294247-01-01 23:59:59.999999', '9999-12-31 23:59:59',
    '12000-01-01 00:00:00.5', '2016-11-04 00:00:00', '21016-11-04 13:51:30+07', '2016-11-04 13:51:30+07', '21016-11-04 13:51:30.5+07',
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(NULL, NULL, NULL, NULL, 3.4028235e38, 0.1, 123.45, 1, 100, 0.0001, 123456789012345678901234567890.123456789, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    'infinity', NULL, NULL, NULL, 'infinity', 'infinity', 'infinity', '-infinity', 'infinity', '-infinity', 'infinity',
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1.50, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '0044-03-15 BC', NULL, NULL, NULL, '0044-03-15 12:00:00 BC', '0044-03-15 12:00:00 BC', NULL, NULL, '0044-03-15 12:00:00+00 BC', NULL, '0001-01-01 00:00:00+00 BC',
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE defaults (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    s2 smallserial, s8 bigserial,
    b boolean NOT NULL DEFAULT true, i integer NOT NULL DEFAULT -5, i8 bigint DEFAULT 9007199254740993, i2 smallint DEFAULT '7',
    f double precision DEFAULT 1.5, f4 real DEFAULT 0.1, n numeric(10,2) NOT NULL DEFAULT 1.5, nv numeric DEFAULT 2.50,
    nz numeric(6,3) DEFAULT '-1.2',
    v varchar(10) NOT NULL DEFAULT 'it''s', t text DEFAULT 'x', tn text NOT NULL DEFAULT '', c char(3) NOT NULL DEFAULT 'a',
    bin bytea DEFAULT '\x0102', u uuid DEFAULT gen_random_uuid(), un uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000001',
    j jsonb NOT NULL DEFAULT '{"a": 1}', jf json DEFAULT json_build_object(), d date DEFAULT '2016-11-04', dn date NOT NULL DEFAULT CURRENT_DATE,
    tm time DEFAULT '04:05:06', tmn time NOT NULL DEFAULT CURRENT_TIME, ts timestamp NOT NULL DEFAULT now(),
    ts3 timestamp(3) DEFAULT '2020-01-01 00:00:00.5', tz timestamptz NOT NULL DEFAULT now(),
    tz0 timestamptz(0) DEFAULT '2020-01-01 00:00:00+02', tzl timestamptz(3) DEFAULT '2020-01-01 00:00:00.25+00',
    a integer[] NOT NULL DEFAULT '{}', e integer DEFAULT (1 + 2), up text DEFAULT upper('x'), nl text DEFAULT NULL,
    ch "char" DEFAULT 'q', nm name DEFAULT 'n', vq varchar DEFAULT ('a' || 'b'), cast_i integer DEFAULT ('12'::text)::integer,
    usr text NOT NULL DEFAULT CURRENT_USER
);
INSERT INTO defaults (b, u, dn, tmn, ts, tz) VALUES (false, '6d8c5b1e-6f7e-4d3a-9d0a-2f1f6c1f0a11', '2020-01-01', '01:02:03', '2020-01-01 00:00:00', '2020-01-01 00:00:00+00');

CREATE TABLE toasted (
    id integer PRIMARY KEY, small integer, t text NOT NULL, bin bytea, j jsonb, a text[], ai integer[], n numeric, au uuid[], af double precision[]
);
ALTER TABLE toasted ALTER t SET STORAGE EXTERNAL, ALTER bin SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL, ALTER a SET STORAGE EXTERNAL,
    ALTER ai SET STORAGE EXTERNAL, ALTER n SET STORAGE EXTERNAL, ALTER au SET STORAGE EXTERNAL, ALTER af SET STORAGE EXTERNAL;

CREATE TABLE full_identity (id integer PRIMARY KEY, v text, w integer NOT NULL DEFAULT 3);
ALTER TABLE full_identity REPLICA IDENTITY FULL;
INSERT INTO full_identity VALUES (1, 'a', 1), (2, NULL, 2);

CREATE TABLE by_index (a integer NOT NULL, b text NOT NULL, v text);
CREATE UNIQUE INDEX by_index_key ON by_index (b, a);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_key;
INSERT INTO by_index VALUES (1, 'x', 'v');

CREATE TABLE pair (v text NOT NULL, k2 integer, k1 text, w timestamptz NOT NULL, PRIMARY KEY (k1, k2));
INSERT INTO pair VALUES ('v', 2, 'one', '2020-01-01 00:00:00+00');

CREATE TABLE keyless (a integer, b text);
INSERT INTO keyless VALUES (1, 'x');

CREATE TABLE nothing_sent (id integer PRIMARY KEY, v text);
ALTER TABLE nothing_sent REPLICA IDENTITY NOTHING;

CREATE SCHEMA "Odd . Schema";
CREATE TABLE "Odd . Schema"."Table-Ü" ("Id" integer PRIMARY KEY, "a b" text, "1st" integer, "dash-ed" text, "quo""ted" text);
INSERT INTO "Odd . Schema"."Table-Ü" VALUES (1, 'x', 2, 'y', 'z');

CREATE TABLE changing (id integer PRIMARY KEY, gone text, old_name text, n integer);
ALTER TABLE changing DROP COLUMN gone;
INSERT INTO changing VALUES (1, 'a', 1);

CREATE TABLE generated (id integer PRIMARY KEY, a integer, twice integer GENERATED ALWAYS AS (a * 2) STORED, b text);
INSERT INTO generated VALUES (1, 2, DEFAULT, 'x');

CREATE TABLE empty_one (id integer PRIMARY KEY);

CREATE TABLE zz_fence (id integer PRIMARY KEY);
INSERT INTO zz_fence VALUES (0);
