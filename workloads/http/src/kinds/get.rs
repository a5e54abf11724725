//! `get`: any path of your own server.
//!
//! `{id}` in the path becomes the number of the operation, so that answers which a cache could give are
//! told from those it could not.
//!
//! # What this does not show
//! Sessions: there are no cookies, no redirects followed, no mix of pages. If `body` is not given, an error page
//! with the right status counts as success.

use corecurve_core::Problem;
use corecurve_core::problem::printable;

use crate::needs::{Needs, Suggests};
use crate::registry::{SettingKind, WorkloadKind};
use crate::request::{Method, Recipe};
use crate::response::{Content, Search};

pub(crate) const KIND: WorkloadKind = WorkloadKind {
    name: "get",
    summary: "GET (or HEAD) any path of your own server, with the status and text you expect",
    not_shown: "Says nothing about sessions: no cookies, no redirects, one path; without `body` any content is right.",
    exposes: &[],
    needs: Needs::OwnPath,
    suggests: Suggests::NOTHING,
    settings: &[
        SettingKind {
            key: "path",
            default: "",
            help: "path and query, from `/`; `{id}` becomes the operation's number",
        },
        SettingKind { key: "method", default: "GET", help: "GET or HEAD" },
        SettingKind { key: "status", default: "200", help: "the status that counts as success, 200 to 599" },
        SettingKind { key: "body", default: "", help: "text that a right answer contains, at most 256 bytes" },
    ],
    build: |values| {
        let path = values.path("path");
        let method = method(values.text("method").unwrap_or_default());
        let method = values.keep("method", method);
        let status = status(values.text("status").unwrap_or_default());
        let status = values.keep("status", status);
        let content = content(values.text("body"), method);
        let content = values.keep("body", content);
        let page = Recipe { method: method?, status: status?, ..Recipe::get(path?, content?) };
        Some(page.into())
    },
};

fn method(text: &str) -> Result<Method, Problem> {
    match text {
        "GET" => Ok(Method::Get),
        "HEAD" => Ok(Method::Head),
        _ => Err(Problem::unknown("method", text, ["GET", "HEAD"], "")),
    }
}

fn status(text: &str) -> Result<u16, Problem> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| digits && (200..=599).contains(status)).ok_or_else(|| {
        Problem::new(format!("`{}` is not a status an answer can end with", printable(text)))
            .help("write a number from 200 to 599")
    })
}

fn content(body: Option<&str>, method: Option<Method>) -> Result<Content, Problem> {
    match body {
        None => Ok(Content::Any),
        Some(_) if method == Some(Method::Head) => {
            Err(Problem::new("a HEAD answer has no body to look in").help("leave `workload.body` out or use GET"))
        }
        Some(text) if text.len() > 256 => {
            Err(Problem::new(format!("{} bytes is too much to look for", text.len())).help("at most 256 bytes"))
        }
        Some(text) => Ok(Content::Contains(Search::new(text.as_bytes()))),
    }
}
