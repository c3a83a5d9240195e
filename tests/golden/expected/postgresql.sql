-- Loads what `heaptap export -f csv` and `heaptap orphans --format csv` write:
--   psql DATABASE <THIS
CREATE TABLE IF NOT EXISTS heaptap_events (
  time_ns NUMERIC(20) NOT NULL,
  time_ms NUMERIC(20) NOT NULL,
  pid BIGINT NOT NULL,
  tid BIGINT NOT NULL,
  comm TEXT NOT NULL,
  build_id TEXT NOT NULL,
  event VARCHAR(32) NOT NULL,
  function TEXT NOT NULL,
  family TEXT NOT NULL,
  address NUMERIC(20) NOT NULL,
  address_hex VARCHAR(32) NOT NULL,
  size NUMERIC(20) NOT NULL,
  old_address NUMERIC(20) NOT NULL,
  old_size NUMERIC(20) NOT NULL,
  stack_cut SMALLINT NOT NULL,
  stack JSONB NOT NULL
);
\copy heaptap_events FROM 'NAME.csv' WITH (FORMAT csv, HEADER true, ENCODING 'UTF8', FORCE_NOT_NULL (comm, build_id, function, family))
CREATE INDEX heaptap_events_address ON heaptap_events (pid, address);
CREATE INDEX heaptap_events_time ON heaptap_events (time_ns);
