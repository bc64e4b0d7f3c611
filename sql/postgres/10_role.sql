-- The role Rowtide connects as, in the database this file is run in (`rowtide` everywhere in this project). It replicates
-- (for the source) and creates tables (for the sink's schema.evolution=basic) and publications; it is no superuser.
-- Its password is for demonstrations on one machine: change it wherever others can reach the server.
-- Every statement of these files may be repeated.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rowtide') THEN
    CREATE ROLE rowtide LOGIN REPLICATION PASSWORD 'rowtide';
  END IF;
  EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO rowtide', current_database());
END
$$;

GRANT USAGE, CREATE ON SCHEMA public TO rowtide;
