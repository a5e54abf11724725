//! The third-party servers whose recipes are part of the binary, and targets by name.

use std::path::Path;

use corecurve_core::problem::printable;
use corecurve_core::{Problem, Settings, Target};

use super::external::ExternalTarget;
use super::null::NullTarget;
use super::recipe::{MAX_RECIPE_BYTES, Recipe};
use super::serve::ServeTarget;
use super::url::UrlTarget;
use crate::child::GuardianExe;
use crate::store::read_file;

/// Name and text of every recipe in `servers/targets`.
const RECIPES: [(&str, &str); 5] = [
    ("nginx", include_str!("../../../../servers/targets/nginx.toml")),
    ("lighttpd", include_str!("../../../../servers/targets/lighttpd.toml")),
    ("haproxy", include_str!("../../../../servers/targets/haproxy.toml")),
    ("apache", include_str!("../../../../servers/targets/apache.toml")),
    ("caddy", include_str!("../../../../servers/targets/caddy.toml")),
];

/// A line of `list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSummary {
    /// The name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// The Debian package that installs it.
    pub package: Option<String>,
    /// Its settings with their defaults.
    pub settings: Vec<(String, String)>,
}

/// Every third-party server with a recipe in the binary.
pub fn external_targets() -> Vec<ExternalSummary> {
    let summary = |recipe: Recipe| ExternalSummary {
        name: recipe.name,
        summary: recipe.summary,
        package: recipe.package,
        settings: recipe.settings.into_iter().collect(),
    };
    RECIPES.iter().filter_map(|(name, text)| Recipe::parse(text, name).ok()).map(summary).collect()
}

/// The third-party server `name`.
///
/// # Errors
/// An unknown name with the nearest known one, or settings it does not have.
pub fn external_target(name: &str, settings: &Settings) -> Result<Box<dyn Target>, Problem> {
    Ok(Box::new(built_in(name, settings)?))
}

fn built_in(name: &str, settings: &Settings) -> Result<ExternalTarget, Problem> {
    let found = RECIPES.iter().find(|(known, _)| *known == name);
    let unknown =
        || Problem::unknown("target", name, RECIPES.iter().map(|(known, _)| *known), "See `corecurve list targets`");
    let (_, text) = found.ok_or_else(unknown)?;
    let recipe = Recipe::parse(text, &format!("servers/targets/{name}.toml")).map_err(first)?;
    ExternalTarget::new(name, recipe, Path::new("/"), settings, GuardianExe::current()?)
}

/// What the third-party server `name` says about its version; `None` when it is unknown, missing or silent.
/// Cost: two process starts.
pub fn external_version(name: &str) -> Option<String> {
    built_in(name, &Settings::new()).ok()?.version()
}

/// The server that the recipe in `file` starts.
///
/// # Errors
/// A file that cannot be read, everything wrong with the recipe, settings it does not have.
pub fn exec_target(file: &str, settings: &Settings) -> Result<Box<dyn Target>, Problem> {
    let path = Path::new(file);
    let text = read_file(path, MAX_RECIPE_BYTES).map_err(|problem| {
        problem.help("exec: takes a TOML file that says how to start the server; see servers/targets/nginx.toml")
    })?;
    let recipe = Recipe::parse(&text, &printable(file)).map_err(first)?;
    let base = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default();
    Ok(Box::new(ExternalTarget::new(&format!("exec:{file}"), recipe, &base, settings, GuardianExe::current()?)?))
}

/// The server that runs at `url`.
///
/// # Errors
/// As [`UrlTarget::new`].
pub fn url_target(url: &str, settings: &Settings, allowed: &[String]) -> Result<Box<dyn Target>, Problem> {
    Ok(Box::new(UrlTarget::new(url, settings, allowed)?))
}

/// The built-in architecture `name`, served by `exe`, which is this executable.
pub fn serve_target(name: &str, exe: &Path, settings: &Settings) -> Box<dyn Target> {
    Box::new(ServeTarget::new(name, exe, settings, GuardianExe::new(exe)))
}

/// Nothing: the harness's own ceiling.
pub fn null_target() -> Box<dyn Target> {
    Box::new(NullTarget)
}

/// All problems of a recipe as one, each on a line of its own.
fn first(problems: corecurve_core::Problems) -> Problem {
    let mut problems = problems.0.into_iter();
    let head = problems.next().unwrap_or_else(|| Problem::new("the recipe is wrong"));
    problems.fold(head, |all, next| {
        let help = format!("{}\n  and: {}", all.help.clone().unwrap_or_default(), next.one_line());
        Problem::new(all.seen).help(help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_in_the_binary_is_sound_and_has_its_file_s_name() {
        let names: Vec<String> = external_targets().into_iter().map(|target| target.name).collect();
        assert_eq!(names, RECIPES.map(|(name, _)| name));
        for (name, text) in RECIPES {
            Recipe::parse(text, name).unwrap();
        }
    }

    #[test]
    fn names_files_and_settings_that_are_wrong_are_named() {
        let none = Settings::new();
        let said = |result: Result<Box<dyn Target>, Problem>| result.err().unwrap().to_string();
        assert!(said(external_target("ngnix", &none)).contains("did you mean `nginx`"));
        assert!(
            said(external_target("nginx", &[("rot".to_owned(), "/".to_owned())].into()))
                .contains("did you mean `root`")
        );
        assert!(
            said(external_target("nginx", &[("root".to_owned(), "/nowhere".to_owned())].into())).contains("/nowhere")
        );
        assert!(said(external_target("nginx", &[("root".to_owned(), "a\"; x".to_owned())].into())).contains("'\"'"));
        assert!(said(exec_target("/nowhere.toml", &none)).contains("/nowhere.toml"));
        assert!(said(exec_target("/", &none)).contains("not a regular file"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bad.toml");
        std::fs::write(&file, "nam = \"x\"\ncomand = []\n").unwrap();
        let shown = said(exec_target(file.to_str().unwrap(), &none));
        assert!(shown.contains("`name`") && shown.contains("`command`"), "{shown}");
    }
}
