-- Which data sets are read and written most?
-- Simulated traces have none: a simulation moves no named data. Bytes by tenant, of all origins: analytics.data_moved.
-- Grain: one row a trace and data asset that an attempt read or wrote.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   asset_id (text): the data set
--   versions (count): versions of it that were read or written
--   runs (count): pipeline runs that read or wrote it
--   reads (count): reads, each of one version by one attempt
--   writes (count): writes, each of one version by one attempt
--   with_read_bytes (count): reads of which the log says how much
--   with_written_bytes (count): writes of which the log says how much
--   read_bytes (bytes): sum over those reads; NULL where there are none
--   written_bytes (bytes): sum over those writes; NULL where there are none
--   rows_read (rows): sum over the reads of which the log says how many; NULL where there are none
--   rows_written (rows): sum over the writes of which the log says how many; NULL where there are none
SELECT
    origin, trace, replication, asset_id,
    count(DISTINCT version) AS versions,
    count(DISTINCT run_id) AS runs,
    count(*) FILTER (WHERE direction = 'read') AS reads,
    count(*) FILTER (WHERE direction = 'write') AS writes,
    count(size_bytes) FILTER (WHERE direction = 'read') AS with_read_bytes,
    count(size_bytes) FILTER (WHERE direction = 'write') AS with_written_bytes,
    sum(size_bytes) FILTER (WHERE direction = 'read')::DOUBLE AS read_bytes,
    sum(size_bytes) FILTER (WHERE direction = 'write')::DOUBLE AS written_bytes,
    sum(row_count) FILTER (WHERE direction = 'read')::DOUBLE AS rows_read,
    sum(row_count) FILTER (WHERE direction = 'write')::DOUBLE AS rows_written
FROM traces.task_io
GROUP BY origin, trace, replication, asset_id
ORDER BY origin, trace, replication, asset_id
