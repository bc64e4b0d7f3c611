-- The table in the middle of the road: the Postgres sink fills it, the Postgres source follows it. The role owns it,
-- for only an owner can add a table to a publication.

CREATE TABLE IF NOT EXISTS public.created_users (
  id uuid PRIMARY KEY,
  first_name text,
  last_name text,
  gender text,
  address text,
  post_code text,
  email text,
  username text,
  dob text,
  registered_date text,
  phone text,
  picture text
);

ALTER TABLE public.created_users OWNER TO rowtide;
