//! Reads `a=1&b=2`. Values are taken as they stand: nothing this server understands needs percent-encoding.

/// The `name=value` pairs of a query, in order; a part without `=` has an empty value.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}
