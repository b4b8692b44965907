-- What does an hour of a resource cost, and how much power does it draw?
-- These are figures to edit: every price and every watt that the other tables use stands here and nowhere else. Put your own
-- in, one row for each word that your logs use as gpu_type; of two rows for one type the dearer price and the higher power
-- count.
-- Energy is that of the resource at full load, so an upper bound; cooling and conversion are not in it (multiply by the data
-- centre's power usage effectiveness).
-- Grain: one row a resource and GPU type; the row of gpus without a type is for every type that has no row of its own.
-- Columns:
--   resource (text): gpu, cpu_core or memory_gib
--   gpu_type (text): the type as the logs write it, in any case; NULL for every other type, and for what is no GPU
--   price_per_hour (USD per unit and hour): on demand, without discounts
--   watts (W per unit): power drawn at full load
--   basis (text): published, or assumption where the figure is to be replaced by one's own
--   source (text): where the figures come from
SELECT resource, gpu_type, price_per_hour::DOUBLE AS price_per_hour, watts::DOUBLE AS watts, basis, source
FROM (
    VALUES
    -- Prices of GPUs: Google Cloud's price list for GPUs attached to a machine, on demand, Iowa (us-central1), without the
    -- machine: https://cloud.google.com/compute/gpus-pricing, as it stood between 2021 (A100 added) and 2024 (K80 withdrawn).
    -- Watts of GPUs: NVIDIA's data sheets, maximum power of the board. A K80 board has two GPUs and 300 W.
    ('gpu', 'A100', 2.933908, 400.0, 'published', 'Google Cloud GPU prices (A100 40 GB); NVIDIA A100 data sheet (SXM)'),
    ('gpu', 'K80', 0.45, 150.0, 'published', 'Google Cloud GPU prices; NVIDIA Tesla K80 data sheet (half a board)'),
    ('gpu', 'P100', 1.46, 250.0, 'published', 'Google Cloud GPU prices; NVIDIA Tesla P100 data sheet (PCIe)'),
    ('gpu', 'T4', 0.35, 70.0, 'published', 'Google Cloud GPU prices; NVIDIA T4 data sheet'),
    ('gpu', 'V100', 2.48, 300.0, 'published', 'Google Cloud GPU prices; NVIDIA V100 data sheet (SXM2)'),
    ('gpu', NULL, 2.48, 300.0, 'assumption', 'taken to be a V100: put in your own'),
    -- Prices: Google Cloud's N1 and N2 predefined machines, on demand, Iowa, a vCPU and a GiB an hour:
    -- https://cloud.google.com/compute/vm-instance-pricing. A core of the logs is priced as one vCPU.
    -- Watts: Cloud Carbon Footprint's constants for Google Cloud, 4.11 W a vCPU at full load (median over processors) and
    -- 0.392 W a GB: https://www.cloudcarbonfootprint.org/docs/methodology
    ('cpu_core', NULL, 0.031611, 4.11, 'published', 'Google Cloud VM prices; Cloud Carbon Footprint, maximum watts, median'),
    ('memory_gib', NULL, 0.004237, 0.392, 'published', 'Google Cloud VM prices; Cloud Carbon Footprint, memory coefficient')
) AS rates (resource, gpu_type, price_per_hour, watts, basis, source)
ORDER BY resource, gpu_type
