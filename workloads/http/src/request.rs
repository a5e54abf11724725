//! [`Recipe`]: one request template and what a right answer looks like. [`Template`]: its bytes, ready to be copied.

use crate::response::Content;

/// The request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asks for a representation.
    Get,
    /// Asks for its head only: the answer has no body whatever its lengths say.
    Head,
    /// Sends a body.
    Post,
}

impl Method {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
        }
    }
}

/// What a workload asks and what it expects, with `{seed}` and `{id}` still open in the path.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The method.
    pub method: Method,
    /// Path and query. `{seed}` becomes the trial's seed, the first `{id}` the number of the operation.
    pub path: String,
    /// Header fields besides `Host`, each with its line end; empty for none.
    pub fields: String,
    /// The body sent, empty for none.
    pub body: Vec<u8>,
    /// The status that counts as success.
    pub status: u16,
    /// The content that counts as right.
    pub content: Content,
}

impl Recipe {
    /// A GET that is right when 200 comes with this content.
    pub fn get(path: impl Into<String>, content: Content) -> Recipe {
        Recipe { method: Method::Get, path: path.into(), fields: String::new(), body: Vec::new(), status: 200, content }
    }
}

/// A request cut into what goes before the operation's id and what follows it.
#[derive(Debug)]
pub(crate) struct Template {
    before: Vec<u8>,
    numbered: bool,
    after: Vec<u8>,
    after_last: Vec<u8>,
}

impl Template {
    pub(crate) fn new(recipe: &Recipe, seed: u64, authority: &str) -> Template {
        let target = recipe.path.replace("{seed}", &seed.to_string());
        let (before, after) = target.split_once("{id}").unwrap_or((&target, ""));
        let length = match recipe.method {
            Method::Post => format!("Content-Length: {}\r\n", recipe.body.len()),
            Method::Get | Method::Head => String::new(),
        };
        let rest = |connection: &str| {
            let fields = &recipe.fields;
            let head = format!("{after} HTTP/1.1\r\nHost: {authority}\r\n{fields}{length}{connection}\r\n");
            [head.as_bytes(), &recipe.body].concat()
        };
        Template {
            before: format!("{} {before}", recipe.method.name()).into_bytes(),
            numbered: target.contains("{id}"),
            after: rest(""),
            after_last: rest("Connection: close\r\n"),
        }
    }

    /// Appends the request. Three copies at most; allocates only while `out` still grows.
    pub(crate) fn write(&self, id: u64, last: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before);
        if self.numbered {
            out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
        }
        out.extend_from_slice(if last { &self.after_last } else { &self.after });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(recipe: &Recipe, id: u64, last: bool) -> String {
        let mut out = Vec::new();
        Template::new(recipe, 7, "127.0.0.1:80").write(id, last, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_what_they_say() {
        let mut recipe = Recipe::get("/plaintext", Content::Any);
        assert_eq!(written(&recipe, 3, false), "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        assert_eq!(
            written(&recipe, 3, true),
            "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n"
        );
        recipe.path = "/work?seed={seed}&id={id}&x=1".into();
        assert!(
            written(&recipe, u64::MAX, false).starts_with("GET /work?seed=7&id=18446744073709551615&x=1 HTTP/1.1\r\n")
        );
        recipe.fields = "If-Modified-Since: x\r\n".into();
        assert!(written(&recipe, 1, true).ends_with("\r\nIf-Modified-Since: x\r\nConnection: close\r\n\r\n"));
        recipe.fields.clear();
        recipe.method = Method::Post;
        recipe.body = b"abc".to_vec();
        recipe.path = "/echo".into();
        assert_eq!(
            written(&recipe, 0, false),
            "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 3\r\n\r\nabc"
        );
    }
}
