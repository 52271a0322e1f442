//! Watermarks, windows, lateness and duplicates; sans-I/O, no clock.
