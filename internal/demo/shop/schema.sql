-- A small shop. It has what makes change data hard: large values that are not
-- in the stream unless they change, keys that change, rows that leave a filter.

CREATE TABLE customers (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	email       text NOT NULL,
	name        text NOT NULL,
	city        text,
	vip         boolean NOT NULL DEFAULT false,
	credit      numeric(12,2) NOT NULL DEFAULT 0,
	birthday    date,
	preferences jsonb,
	note        text
);
-- Long notes are kept out of line as they are: an update that leaves one alone
-- does not send it.
ALTER TABLE customers ALTER COLUMN note SET STORAGE EXTERNAL;

CREATE TYPE order_status AS ENUM ('draft', 'placed', 'paid', 'shipped', 'returned');
CREATE TABLE orders (
	id          uuid PRIMARY KEY,
	customer_id bigint NOT NULL,
	amount      numeric(12,2) NOT NULL,
	status      order_status NOT NULL,
	placed_at   timestamptz,
	tags        text[] NOT NULL DEFAULT '{}'
);
-- With FULL a delete tells whether the row matched the filter.
ALTER TABLE orders REPLICA IDENTITY FULL;

CREATE TABLE visits (
	lead_id    bigint,
	visit_no   bigint,
	page       text NOT NULL,
	seconds    integer,
	score      numeric(5,2),
	seen_at    timestamptz NOT NULL,
	transcript text,
	PRIMARY KEY (lead_id, visit_no)
);
ALTER TABLE visits ALTER COLUMN transcript SET STORAGE EXTERNAL;
