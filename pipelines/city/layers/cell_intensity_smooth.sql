-- cell_intensity as a map that is easier to look at: persons spread over two rings of neighbours, so
-- that their total stays, then for each square kilometre of the cell. Display only, never for alerts:
-- they would fire in the wrong cell, and `tidegate check` refuses a rule on it. It protects nobody,
-- since the counts can be computed back: withhold cells with too few people before.
SELECT
  'cell'                                              AS subject_kind,
  h3_h3_to_string(part['cell'])                       AS subject,
  part['value'] / h3_cell_area(part['cell'], 'km^2')  AS value,
  'persons/km2'                                       AS unit,
  'smoothing/k-ring@1'                                AS method
FROM (SELECT unnest(smooth_cells(cell, persons)) AS part FROM cell_15m)
