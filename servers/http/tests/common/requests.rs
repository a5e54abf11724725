//! What is refused and what is allowed, as tables: for the engine alone and for every architecture over sockets.

/// Input and the status of the refusal; each closes the connection.
#[rustfmt::skip]
pub const REFUSED: &[(&str, &[u8], u16)] = &[
    // The request line.
    ("HTTP/0.9", b"GET /plaintext\r\n\r\n", 400),
    ("HTTP/0.9 with space", b"GET /plaintext \r\n\r\n", 400),
    ("major 2", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("major 0", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("version without minor", b"GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
    ("version in small letters", b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("two spaces before target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("two spaces after target", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space in target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space before method", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("tab instead of space", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space after version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("empty method", b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("method not a token", b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("NUL in method", b"G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("NUL in target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("control character in target", b"GET /\x07 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("DEL in target", b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("raw UTF-8 in target", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("overlong UTF-8 in target", b"GET /\xc0\xae HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("backslash in target", b"GET /..\\a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("fragment in target", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("* with GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("relative target", b"GET plaintext HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("authority form", b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("other scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("absolute form without host", b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("absolute form with user", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("TLS client hello", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 400),
    // Line ends.
    ("bare LF after request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("bare LF after field", b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    ("bare LF as blank line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("bare LF before request", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("bare CR in request line", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("bare CR in value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    ("bare CR before request", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    ("endless blank lines", b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // Fields.
    ("space before colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("tab before colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n", 400),
    ("obs-fold", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    ("obs-fold with tab", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", 400),
    ("space before first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400),
    ("empty name", b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", 400),
    ("name not a token", b"GET / HTTP/1.1\r\nHost: a\r\nX[]: a\r\n\r\n", 400),
    ("NUL in name", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", 400),
    ("NUL in value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    ("control character in value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x07\r\n\r\n", 400),
    ("DEL in value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400),
    // Host.
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("two Hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("Host list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("Host with user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    ("Host with path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("Host with space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("Host with only a port", b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    ("Host with port not a number", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    ("Host with port too large", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    ("Host with two ports", b"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400),
    ("Host with open bracket", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    ("Host with no address in brackets", b"GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", 400),
    ("Host not ASCII", b"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400),
    ("no Host with absolute form", b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    // Length and codings.
    ("CL and TE", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE and CL", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("CL and unknown TE", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("differing CL", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    ("repeated CL", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("CL list", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
    ("CL with plus", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello", 400),
    ("CL with minus", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n", 400),
    ("CL in hex", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    ("CL with underscore", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5_0\r\n\r\nhello", 400),
    ("CL with space inside", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5 0\r\n\r\nhello", 400),
    ("empty CL", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello", 400),
    ("CL of 2^64", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 413),
    ("CL over the limit", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
    ("CL over the limit, body not wanted", b"GET /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
    ("TE identity", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
    ("TE gzip", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("TE gzip, chunked", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("TE xchunked", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    ("TE chunked with parameter", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", 501),
    ("TE chunked twice", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE chunked not last", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    ("TE in two fields", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400),
    ("empty TE", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    ("TE with vertical tab", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("TE in HTTP/1.0", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("other expectation", b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417),
];

/// Chunked bodies that are refused.
#[rustfmt::skip]
pub const BAD_CHUNKS: &[(&str, &[u8], u16)] = &[
    ("no size", b"\r\nhello\r\n", 400),
    ("not hexadecimal", b"g\r\n", 400),
    ("0x", b"0x5\r\nhello\r\n", 400),
    ("plus", b"+5\r\nhello\r\n", 400),
    ("minus", b"-5\r\nhello\r\n", 400),
    ("underscore", b"0_5\r\nhello\r\n", 400),
    ("leading space", b" 5\r\nhello\r\n", 400),
    ("trailing space", b"5 \r\nhello\r\n", 400),
    ("bare semicolon", b"5;\r\nhello\r\n", 400),
    ("control character in extension", b"5;a=\x07\r\nhello\r\n", 400),
    ("NUL in quoted extension", b"5;a=\"\0\"\r\nhello\r\n", 400),
    ("bare LF after size", b"5\nhello\r\n", 400),
    ("bare LF in extension", b"5;a\nhello\r\n", 400),
    ("bare LF after data", b"5\r\nhello\n0\r\n\r\n", 400),
    ("data longer than said", b"5\r\nhello!\r\n0\r\n\r\n", 400),
    ("data shorter than said", b"6\r\nhello\r\n0\r\n\r\n", 400),
    ("size of 2^64", b"10000000000000000\r\n", 400),
    ("size that wraps", b"ffffffffffffffff\r\n", 413),
    ("size over the limit", b"100001\r\n", 413),
    ("sizes over the limit together", b"3\r\nabc\r\nfffff\r\n", 413),
    ("trailer without colon", b"0\r\nnonsense\r\n\r\n", 400),
    ("folded trailer", b"0\r\nA: b\r\n c\r\n\r\n", 400),
    ("LF-only trailer", b"0\r\nA: b\n\r\n", 400),
    ("LF-only end", b"0\r\n\n", 400),
    ("NUL in trailer", b"0\r\nA: \0\r\n\r\n", 400),
];

/// The unusual that is allowed: what it is, input and status. The connection stays open.
#[rustfmt::skip]
pub const ALLOWED: &[(&str, &[u8], u16)] = &[
    ("a blank line before the request", b"\r\nGET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("minor version 2", b"GET /plaintext HTTP/1.2\r\nHost: a\r\n\r\n", 200),
    ("Host in small and large letters, no space, with a port", b"GET /plaintext?x HTTP/1.1\r\nhOST:a:80\r\n\r\n", 200),
    ("spaces around values, an empty value", b"GET /plaintext HTTP/1.1\r\nHost:   a   \r\nX:\r\n\r\n", 200),
    ("Host with an IPv6 address", b"GET /plaintext HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", 200),
    ("absolute form to another host", b"GET http://a/plaintext HTTP/1.1\r\nHost: b\r\n\r\n", 200),
    ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("a value not in ASCII", b"GET /plaintext HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n", 200),
    ("a GET with a body", b"GET /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200),
    ("an unknown method where any is taken", b"BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("an unknown method where it is not", b"BREW /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("Chunked with a capital, and a trailer", b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nA: b\r\n\r\n", 200),
    ("Content-Length with leading zeros", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 00000000000000000000000005\r\n\r\nhello", 200),
    ("more bytes than are made", b"GET /bytes/67108865 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a count with a plus", b"GET /bytes/+1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a time without unit", b"GET /work?mean=5 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a path that is not there", b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404),
];

/// What is larger than the limits allow: what it is, input and the status of the refusal.
pub fn too_large() -> Vec<(&'static str, Vec<u8>, u16)> {
    let line = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(n));
    let fields = |n: usize, len: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", format!("X: {}\r\n", "a".repeat(len)).repeat(n))
    };
    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = |n: usize| format!("{chunked}5;a={}\r\n", "b".repeat(n));
    let mut endless_field = fields(1, 1 << 20);
    endless_field.truncate(1 << 19);
    let all = [
        ("a long target", line(8 << 10), 414),
        ("a very long target", line(1 << 20), 414),
        ("an endless target", "G".repeat(9 << 10), 414),
        ("101 fields", fields(100, 1), 431),
        ("10,000 fields", fields(10_000, 1), 431),
        ("a long field", fields(1, 16 << 10), 431),
        ("a very long field", fields(1, 1 << 20), 431),
        ("an endless field", endless_field, 431),
        ("a long chunk extension", extension(300), 400),
        ("a chunk extension of 65 kB", extension(65 << 10), 400),
        ("long trailers", format!("{chunked}0\r\nX: {}\r\n\r\n", "b".repeat(5000)), 431),
    ];
    all.map(|(what, input, status)| (what, input.into_bytes(), status)).into()
}
