-- Persons counted for each square kilometre of the cell's true area: intensity, never density.
SELECT
  'cell'                                  AS subject_kind,
  h3_h3_to_string(cell)                   AS subject,
  persons / h3_cell_area(cell, 'km^2')    AS value,
  'persons/km2'                           AS unit,
  'intensity/cell-area@1'                 AS method
FROM cell_15m
