//! Status codes the server uses, and refusals.

/// A status code this server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

impl Status {
    /// 200
    pub const OK: Status = Status(200);
    /// 304
    pub const NOT_MODIFIED: Status = Status(304);
    /// 400
    pub const BAD_REQUEST: Status = Status(400);
    /// 404
    pub const NOT_FOUND: Status = Status(404);
    /// 405
    pub const METHOD_NOT_ALLOWED: Status = Status(405);
    /// 408
    pub const TIMEOUT: Status = Status(408);
    /// 413
    pub const CONTENT_TOO_LARGE: Status = Status(413);
    /// 414
    pub const TARGET_TOO_LONG: Status = Status(414);
    /// 417
    pub const EXPECTATION_FAILED: Status = Status(417);
    /// 431
    pub const HEAD_TOO_LARGE: Status = Status(431);
    /// 500
    pub const INTERNAL: Status = Status(500);
    /// 501
    pub const NOT_IMPLEMENTED: Status = Status(501);
    /// 505
    pub const VERSION_NOT_SUPPORTED: Status = Status(505);

    /// The whole status line with its CRLF.
    pub fn line(self) -> &'static str {
        match self.0 {
            200 => "HTTP/1.1 200 OK\r\n",
            304 => "HTTP/1.1 304 Not Modified\r\n",
            400 => "HTTP/1.1 400 Bad Request\r\n",
            404 => "HTTP/1.1 404 Not Found\r\n",
            405 => "HTTP/1.1 405 Method Not Allowed\r\n",
            408 => "HTTP/1.1 408 Request Timeout\r\n",
            413 => "HTTP/1.1 413 Content Too Large\r\n",
            414 => "HTTP/1.1 414 URI Too Long\r\n",
            417 => "HTTP/1.1 417 Expectation Failed\r\n",
            431 => "HTTP/1.1 431 Request Header Fields Too Large\r\n",
            501 => "HTTP/1.1 501 Not Implemented\r\n",
            505 => "HTTP/1.1 505 HTTP Version Not Supported\r\n",
            _ => "HTTP/1.1 500 Internal Server Error\r\n",
        }
    }

    /// Whether a reply with this status never has a body (RFC 9110 section 6.4.1).
    pub fn is_bodiless(self) -> bool {
        self.0 == 304 || self.0 == 204 || self.0 < 200
    }
}

/// A request that is not answered but refused: the connection is closed after the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status sent.
    pub status: Status,
    /// One line for the client's author, sent as the body.
    pub why: &'static str,
}

impl Refusal {
    /// 400 with the reason.
    pub const fn bad(why: &'static str) -> Refusal {
        Refusal { status: Status::BAD_REQUEST, why }
    }

    /// Any status with the reason.
    pub const fn new(status: Status, why: &'static str) -> Refusal {
        Refusal { status, why }
    }
}
