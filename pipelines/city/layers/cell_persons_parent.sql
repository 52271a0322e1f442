-- Persons in each cell of resolution 8: the sum of its children in cell_persons, exactly; none where
-- one of them has no value.
SELECT
  'cell'                        AS subject_kind,
  h3_cell_to_parent(subject, 8) AS subject,
  CASE WHEN count(value) = count(*) THEN sum(value) END AS value,
  'persons'                     AS unit,
  max(data_age)                 AS data_age,
  'allocation/parent-sum@1'     AS method
FROM cell_persons
GROUP BY h3_cell_to_parent(subject, 8)
