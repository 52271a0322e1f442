-- Chance that at least one infectious traveller came over the cordon in the window.
WITH arrivals AS (
  SELECT
    f.persons,
    prevalence(coalesce(i.cases_7d, u.cases_7d), coalesce(i.population, u.population),
      coalesce(i.ascertainment_mid, u.ascertainment_mid),
      coalesce(i.infectious_days, u.infectious_days)) AS p,
    prevalence(coalesce(i.cases_7d, u.cases_7d), coalesce(i.population, u.population),
      coalesce(i.ascertainment_high, u.ascertainment_high),
      coalesce(i.infectious_days, u.infectious_days)) AS p_lo,
    prevalence(coalesce(i.cases_7d, u.cases_7d), coalesce(i.population, u.population),
      coalesce(i.ascertainment_low, u.ascertainment_low),
      coalesce(i.infectious_days, u.infectious_days)) AS p_hi
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin
  CROSS JOIN (SELECT * FROM incidence WHERE origin = 'unknown') u
  WHERE s.cordon
)
SELECT
  'city'                  AS subject_kind,
  'city'                  AS subject,
  prob_any(sum(ln_none(persons, p)))    AS value,
  prob_any(sum(ln_none(persons, p_lo))) AS lo,
  prob_any(sum(ln_none(persons, p_hi))) AS hi,
  'probability' AS unit,
  'inflow/at-least-one-exact@1' AS method
FROM arrivals
HAVING count(*) > 0
