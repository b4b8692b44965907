-- How much carbon dioxide does a kilowatt-hour cause?
-- A figure to edit, which stands here and nowhere else: put in that of the grid from which your data centre draws. Without any
-- row no carbon is told; of several the highest counts.
-- Grain: one row a region, of which there is to be one.
-- Columns:
--   region (text): where the power comes from
--   g_per_kwh (grams of CO2 per kWh): caused by generating it, on average over a year; other gases count by their effect
--   basis (text): published, or assumption where the figure is to be replaced by one's own
--   source (text): where the figure comes from
SELECT region, g_per_kwh::DOUBLE AS g_per_kwh, basis, source
FROM (
    VALUES
    -- https://ember-energy.org/latest-insights/global-electricity-review-2024/electricity-transition-in-2023
    ('world', 480.0, 'published', 'Ember, Global Electricity Review 2024: world average of 2023')
) AS intensities (region, g_per_kwh, basis, source)
ORDER BY region
