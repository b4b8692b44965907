-- How many standard errors to each side hold the mean with 95 % confidence?
-- The 0.975 quantile of Student's t distribution: tabulated up to 30 degrees of freedom, from there on the expansion of
-- Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5, which is then off by less than 4e-8.
-- Grain: one row a number of degrees of freedom, from 1 to 1000; whoever has more uses the last one, which is less than 0.2 %
-- too wide.
-- Columns:
--   degrees_of_freedom (count): the number of independent values less one
--   t_95 (standard errors): half the width of the two-sided interval
WITH expansion AS (
    SELECT
        n AS degrees_of_freedom,
        1.959963984540054::DOUBLE AS x,
        (x ** 3 + x) / 4 AS g1,
        (5 * x ** 5 + 16 * x ** 3 + 3 * x) / 96 AS g2,
        (3 * x ** 7 + 19 * x ** 5 + 17 * x ** 3 - 15 * x) / 384 AS g3,
        (79 * x ** 9 + 776 * x ** 7 + 1482 * x ** 5 - 1920 * x ** 3 - 945 * x) / 92160 AS g4
    FROM generate_series(31, 1000) AS series (n)
)
SELECT degrees_of_freedom::BIGINT AS degrees_of_freedom, t_95::DOUBLE AS t_95
FROM (
    VALUES
    (1, 12.706204736), (2, 4.302652730), (3, 3.182446305), (4, 2.776445105), (5, 2.570581836),
    (6, 2.446911851), (7, 2.364624252), (8, 2.306004135), (9, 2.262157163), (10, 2.228138852),
    (11, 2.200985160), (12, 2.178812830), (13, 2.160368656), (14, 2.144786688), (15, 2.131449546),
    (16, 2.119905299), (17, 2.109815578), (18, 2.100922040), (19, 2.093024054), (20, 2.085963447),
    (21, 2.079613845), (22, 2.073873068), (23, 2.068657610), (24, 2.063898562), (25, 2.059538553),
    (26, 2.055529439), (27, 2.051830516), (28, 2.048407142), (29, 2.045229642), (30, 2.042272456)
) AS tabulated (degrees_of_freedom, t_95)
UNION ALL
SELECT
    degrees_of_freedom::BIGINT,
    x + g1 / degrees_of_freedom + g2 / degrees_of_freedom ** 2 + g3 / degrees_of_freedom ** 3 + g4 / degrees_of_freedom ** 4
FROM expansion
ORDER BY degrees_of_freedom
