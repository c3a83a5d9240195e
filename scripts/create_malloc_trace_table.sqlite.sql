-- SPDX-License-Identifier: BSD-2-Clause
-- SQLite: as create_malloc_trace_table.sql, with the rows in malloc-trace.csv:
--   sqlite3 heap.db <scripts/create_malloc_trace_table.sqlite.sql
-- Its reader of CSV knows no backslashes: rows come in whole and are taken apart here. The first
-- five fields have no semicolon in them. Sizes from 2^63 on are kept as text.
CREATE TABLE IF NOT EXISTS malloc_trace (
  funct_name TEXT NOT NULL,
  thread_id INTEGER NOT NULL,
  address INTEGER NOT NULL,
  size NOT NULL,
  ms_timestamp INTEGER NOT NULL,
  call_stack TEXT NOT NULL
);
CREATE TEMP TABLE line (text TEXT);
.mode ascii
.separator "\037" "\n"
.import malloc-trace.csv line
INSERT INTO malloc_trace
WITH RECURSIVE part (row, nr, field, rest) AS (
  SELECT rowid, 0, '', text FROM line
  UNION ALL
  SELECT row, nr + 1, substr(rest, 1, instr(rest, ';') - 1), substr(rest, instr(rest, ';') + 1)
  FROM part WHERE nr < 5
)
SELECT
  trim(max(CASE nr WHEN 1 THEN field END), '"'),
  CAST(max(CASE nr WHEN 2 THEN field END) AS INTEGER),
  CAST(max(CASE nr WHEN 3 THEN field END) AS INTEGER),
  max(CASE WHEN nr <> 4 THEN NULL WHEN length(field) < 19 THEN CAST(field AS INTEGER)
      ELSE field END),
  CAST(max(CASE nr WHEN 5 THEN field END) AS INTEGER),
  max(CASE nr WHEN 5 THEN replace(replace(replace(substr(rest, 2, length(rest) - 2),
      '\\', char(1)), '\"', '"'), char(1), '\') END)
FROM part GROUP BY row ORDER BY row;
CREATE INDEX IF NOT EXISTS malloc_trace_address ON malloc_trace (address);
