//! What each kind of channel wants to read. Pure: a notice in, bytes and headers out.
