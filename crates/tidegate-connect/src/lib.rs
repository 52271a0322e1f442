//! Kafka source and sink, embedded broker, recorded files.
