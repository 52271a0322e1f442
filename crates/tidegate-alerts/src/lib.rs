//! Rules and the alert state machine, in event time; sans-I/O.
