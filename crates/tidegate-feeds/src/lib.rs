//! Bytes to observations or rejections; one module per format; no I/O.
