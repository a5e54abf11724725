//! Request bodies: lengths, chunks and expectations.

use corecurve_servers::handler::pattern_byte;

use crate::case::{Case, Stand, together};

fn body(length: u64) -> Vec<u8> {
    (0..length).map(pattern_byte).collect()
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [0, 1, 4_095, 65_536, 1_048_576].into_iter().map(with_length).collect();
    cases.extend([1, 7, 1_000, 70_000].into_iter().map(in_chunks));
    cases.extend([
        together("100 is sent when a body is waited for", |stand| {
            let mut client = stand.connect();
            client.send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
            assert_eq!(client.reply().status, 100);
            client.send("ok");
            assert_eq!(client.reply().text(), "ok");
        }),
        together("100 is sent when a chunked body is waited for", |stand| {
            let mut client = stand.connect();
            client.send("PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n");
            assert_eq!(client.reply().status, 100);
            client.send("2\r\nok\r\n0\r\n\r\n");
            assert_eq!(client.reply().text(), "ok");
        }),
        together("no 100 when no body is to come", |stand| {
            let mut client = stand.connect();
            client.send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
            assert_eq!(client.reply().status, 200);
        }),
        together("no 100 when nobody wants the body: the answer is final", |stand| {
            let mut client = stand.connect();
            client.send("PUT /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
            let reply = client.reply();
            assert!(reply.status == 405 && reply.closes(), "{reply:?}");
            client.assert_closed();
        }),
        together("no 100 when the body is over the limit", |stand| {
            let mut client = stand.connect();
            client.send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n");
            let reply = client.reply();
            assert!(reply.status == 413 && reply.closes(), "{reply:?}");
            client.assert_closed();
        }),
        together("HTTP/1.0 knows no 100", |stand| {
            let mut client = stand.connect();
            client.send("PUT /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok");
            assert_eq!(client.reply().text(), "ok");
        }),
        together("a body that nobody wants is passed over", |stand| {
            let mut client = stand.connect();
            for _ in 0..3 {
                client.send("GET /bytes/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
                client.send(body(50_000));
                assert_eq!(client.reply().body.len(), 7);
            }
        }),
        together("a body that is a request is not one", |stand| {
            let mut client = stand.connect();
            let inner = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
            let length = inner.len();
            client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{inner}"));
            assert_eq!(client.reply().text(), inner);
            client.send(format!("GET /bytes/3 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{inner}"));
            assert_eq!(client.reply().body.len(), 3);
            client.send(format!(
                "PUT /plaintext HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n"
            ));
            assert_eq!(client.reply().status, 405);
            assert_eq!(client.get("/bytes/5").body.len(), 5, "nothing was left over");
        }),
    ]);
    cases
}

fn with_length(length: u64) -> Case {
    together(format!("a body of {length} bytes comes back"), move |stand: &Stand| {
        let mut client = stand.connect();
        let body = body(length);
        for method in ["POST", "PATCH"] {
            client.send(format!("{method} /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
            client.send(&body);
            assert!(client.reply().body == body);
        }
    })
}

fn in_chunks(size: usize) -> Case {
    together(format!("a body in chunks of {size} bytes comes back"), move |stand: &Stand| {
        let mut client = stand.connect();
        let body = body(size as u64 * 13);
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(size) {
            client.send(format!("{:X};ignored=\"yes\"\r\n", chunk.len()));
            client.send(chunk);
            client.send("\r\n");
        }
        client.send("0\r\nTrailer: ignored\r\n\r\n");
        assert!(client.reply().body == body);
    })
}
