-- What the source reads: `publication.name` of its connector.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'rowtide_publication') THEN
    CREATE PUBLICATION rowtide_publication FOR TABLE public.created_users;
  END IF;
END
$$;

ALTER PUBLICATION rowtide_publication OWNER TO rowtide;
