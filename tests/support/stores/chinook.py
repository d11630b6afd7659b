"""The tables of the Chinook sample database, a music shop, in their sizes; the rows are made up by the ids."""

from __future__ import annotations

DDL = """
CREATE SCHEMA chinook;
CREATE TABLE chinook.artist (artist_id int PRIMARY KEY, name varchar(120));
CREATE TABLE chinook.album (album_id int PRIMARY KEY, title varchar(160) NOT NULL, artist_id int NOT NULL REFERENCES chinook.artist);
CREATE TABLE chinook.genre (genre_id int PRIMARY KEY, name varchar(120));
CREATE TABLE chinook.media_type (media_type_id int PRIMARY KEY, name varchar(120));
CREATE TABLE chinook.track (
    track_id int PRIMARY KEY, name varchar(200) NOT NULL, album_id int REFERENCES chinook.album,
    media_type_id int NOT NULL REFERENCES chinook.media_type, genre_id int REFERENCES chinook.genre, composer varchar(220),
    milliseconds int NOT NULL, bytes int, unit_price numeric(10, 2) NOT NULL
);
CREATE TABLE chinook.playlist (playlist_id int PRIMARY KEY, name varchar(120));
CREATE TABLE chinook.playlist_track (
    playlist_id int REFERENCES chinook.playlist, track_id int REFERENCES chinook.track, PRIMARY KEY (playlist_id, track_id)
);
CREATE TABLE chinook.employee (
    employee_id int PRIMARY KEY, last_name varchar(20) NOT NULL, first_name varchar(20) NOT NULL, title varchar(30),
    reports_to int REFERENCES chinook.employee, birth_date timestamp, hire_date timestamp, email varchar(60)
);
CREATE TABLE chinook.customer (
    customer_id int PRIMARY KEY, first_name varchar(40) NOT NULL, last_name varchar(20) NOT NULL, company varchar(80), country varchar(40),
    email varchar(60) NOT NULL, support_rep_id int REFERENCES chinook.employee
);
CREATE TABLE chinook.invoice (
    invoice_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES chinook.customer, invoice_date timestamp NOT NULL,
    billing_country varchar(40), total numeric(10, 2) NOT NULL
);
CREATE TABLE chinook.invoice_line (
    invoice_line_id int PRIMARY KEY, invoice_id int NOT NULL REFERENCES chinook.invoice, track_id int NOT NULL REFERENCES chinook.track,
    unit_price numeric(10, 2) NOT NULL, quantity int NOT NULL
);
CREATE INDEX ON chinook.album (artist_id);
CREATE INDEX ON chinook.track (album_id);
CREATE INDEX ON chinook.track (genre_id);
CREATE INDEX ON chinook.track (media_type_id);
CREATE INDEX ON chinook.playlist_track (track_id);
CREATE INDEX ON chinook.employee (reports_to);
CREATE INDEX ON chinook.customer (support_rep_id);
CREATE INDEX ON chinook.invoice (customer_id);
CREATE INDEX ON chinook.invoice_line (invoice_id);
CREATE INDEX ON chinook.invoice_line (track_id);
"""

ROWS = """
INSERT INTO chinook.artist SELECT n, 'Artist ' || n FROM generate_series(1, 275) n;
INSERT INTO chinook.album SELECT n, 'Album "' || n || '"', 1 + n * 7 % 275 FROM generate_series(1, 347) n;
INSERT INTO chinook.genre SELECT n, 'Genre ' || n FROM generate_series(1, 25) n;
INSERT INTO chinook.media_type SELECT n, 'Media ' || n FROM generate_series(1, 5) n;
INSERT INTO chinook.track SELECT n, 'Track ' || n, 1 + n % 347, 1 + n % 5, CASE WHEN n % 50 > 0 THEN 1 + n % 25 END,
    CASE WHEN n % 3 > 0 THEN 'Composer ' || n % 800 END, 1071 + n * 1009 % 5000000, CASE WHEN n % 9 > 0 THEN 38747 + n * 30011 END,
    CASE WHEN n % 17 = 0 THEN 1.99 ELSE 0.99 END
FROM generate_series(1, 3503) n;
INSERT INTO chinook.playlist SELECT n, CASE WHEN n % 7 > 0 THEN 'Playlist ' || n END FROM generate_series(1, 18) n;
INSERT INTO chinook.playlist_track SELECT p, t FROM generate_series(1, 17) p, generate_series(1, 3503) t
WHERE CASE WHEN p IN (1, 8) THEN t <= 3290 ELSE t % 101 = p END;
INSERT INTO chinook.employee SELECT n, 'Last ' || n, 'First ' || n, CASE WHEN n > 1 THEN 'Agent' END, nullif(n / 3, 0),
    TIMESTAMP '1960-02-18' + n * INTERVAL '411 days', TIMESTAMP '2002-08-14' + n * INTERVAL '31 days', 'e' || n || '@chinookcorp.com'
FROM generate_series(1, 8) n;
INSERT INTO chinook.customer SELECT n, 'First ' || n, 'L' || chr(233) || n, CASE WHEN n % 6 = 0 THEN 'Company ' || n END,
    (ARRAY['USA', 'Brazil', 'Czech Republic'])[1 + n % 3], 'c' || n || '@example.com', CASE WHEN n % 13 > 0 THEN 3 + n % 3 END
FROM generate_series(1, 59) n;
INSERT INTO chinook.invoice SELECT n, 1 + n % 58, TIMESTAMP '2009-01-01' + n * INTERVAL '4 days 11 minutes', 'USA', 0
FROM generate_series(1, 412) n;
INSERT INTO chinook.invoice_line SELECT n, 1 + n % 412, 1 + n * 13 % 3503, 0.99, 1 + n % 2 FROM generate_series(1, 2240) n;
UPDATE chinook.invoice i SET total = (SELECT sum(unit_price * quantity) FROM chinook.invoice_line l WHERE l.invoice_id = i.invoice_id);
"""

SCHEMAS = {
    "albums": """
table: album
schema: chinook
primary_key: album_id
fields:
  - { integer: id, column: album_id }
  - { text: title, required: true }
  - belongs_to: artist
    column: artist_id
    table: artist
    primary_key: artist_id
    required: true
    fields: [{ keyword: name }]
  - has_many: tracks
    table: track
    primary_key: track_id
    foreign_key: album_id
    fields:
      - { text: name, required: true }
      - { text: composer }
      - { integer: milliseconds, required: true }
      - { integer: bytes }
      - { decimal: unitPrice, column: unit_price, required: true }
      - belongs_to: genre
        column: genre_id
        table: genre
        primary_key: genre_id
        fields: [{ keyword: name }]
      - belongs_to: mediaType
        column: media_type_id
        table: media_type
        primary_key: media_type_id
        required: true
        fields: [{ keyword: name }]
  - { count: trackCount, table: track, foreign_key: album_id }
  - { sum: price, table: track, column: unit_price, value_type: decimal, foreign_key: album_id }
  - { avg: length, table: track, column: milliseconds, foreign_key: album_id }
""",
    "customers": """
table: customer
schema: chinook
primary_key: customer_id
fields:
  - { integer: id, column: customer_id }
  - { keyword: firstName, column: first_name, required: true }
  - { keyword: lastName, column: last_name, required: true }
  - { text: company }
  - { keyword: country }
  - belongs_to: supportRep
    column: support_rep_id
    table: employee
    primary_key: employee_id
    fields:
      - { keyword: email }
      - { timestamp: hireDate, column: hire_date }
      - belongs_to: boss
        column: reports_to
        table: employee
        primary_key: employee_id
        fields: [{ keyword: email }, { timestamp: birthDate, column: birth_date }]
  - has_many: invoices
    table: invoice
    primary_key: invoice_id
    foreign_key: customer_id
    order_by: [{ column: invoice_date, direction: desc }]
    fields:
      - { timestamp: date, column: invoice_date, required: true }
      - { decimal: total, required: true }
      - has_many: lines
        table: invoice_line
        primary_key: invoice_line_id
        foreign_key: invoice_id
        fields:
          - { integer: quantity, required: true }
          - belongs_to: track
            column: track_id
            table: track
            primary_key: track_id
            required: true
            fields: [{ text: name, required: true }]
  - { max: lastInvoiceAt, table: invoice, column: invoice_date, value_type: timestamp, foreign_key: customer_id }
  - { ids: invoiceIds, table: invoice, foreign_key: customer_id, element_type: integer }
""",
    "playlists": """
table: playlist
schema: chinook
primary_key: playlist_id
fields:
  - { keyword: name }
  - many_to_many: tracks
    table: track
    primary_key: track_id
    through: { table: playlist_track, left_key: playlist_id, right_key: track_id }
    fields: [{ text: name, required: true }, { decimal: unitPrice, column: unit_price, required: true }]
""",
}
