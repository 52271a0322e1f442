//! Pure functions for occupancy, density, level of service and importation risk.
