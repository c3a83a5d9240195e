-- Loads what `heaptap export -f csv` and `heaptap orphans --format csv` write:
--   sqlite3 heap.db <THIS
-- Numbers are signed here: an address from 2^63 on is exact in address_hex only.
CREATE TABLE IF NOT EXISTS heaptap_events (
  time_ns INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  tid INTEGER NOT NULL,
  comm TEXT NOT NULL,
  build_id TEXT NOT NULL,
  event TEXT NOT NULL,
  function TEXT NOT NULL,
  family TEXT NOT NULL,
  address INTEGER NOT NULL,
  address_hex TEXT NOT NULL,
  size INTEGER NOT NULL,
  old_address INTEGER NOT NULL,
  old_size INTEGER NOT NULL,
  stack_cut INTEGER NOT NULL,
  stack TEXT NOT NULL
);
.import --csv --skip 1 "NAME.csv" heaptap_events
CREATE INDEX heaptap_events_address ON heaptap_events (pid, address);
CREATE INDEX heaptap_events_time ON heaptap_events (time_ns);
