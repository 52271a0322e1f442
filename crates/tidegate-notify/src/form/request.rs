//! What is posted.

/// A request that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Headers beside `content-type`: names in lower case, values that headers can hold.
    pub headers: Vec<(String, String)>,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}
