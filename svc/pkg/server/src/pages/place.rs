//! place.rs - which page a request means, and how one page leads to another.

use crate::http::{self, Request};
use ips_model::quote::quote;

/// The pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Publishers.
    Index,
    /// The packages of a publisher.
    Catalog,
    /// One package.
    Package,
    /// A search, or its form alone.
    Search,
    /// The same, the language explained.
    Advanced,
    /// The state of the repository.
    Stats,
}

const NAMES: [(&str, Page); 6] = [
    ("index.shtml", Page::Index),
    ("catalog.shtml", Page::Catalog),
    ("package.shtml", Page::Package),
    ("search.shtml", Page::Search),
    ("advanced_search.shtml", Page::Advanced),
    ("stats.shtml", Page::Stats),
];

/// A page and what was asked of it.
#[derive(Debug)]
pub struct Place {
    /// Which.
    pub page: Page,
    /// The publisher its path begins with; nobody has looked whether it is here.
    pub publisher: Option<String>,
    parameters: Vec<(String, String)>,
}

impl Place {
    /// The page of `/en/NAME` or `/PUBLISHER/en/NAME`.
    pub fn of(request: &Request) -> Option<Place> {
        let parts: Vec<&str> = request.path.strip_prefix('/')?.split('/').collect();
        let (publisher, name) = match parts[..] {
            ["en", name] => (None, name),
            [publisher, "en", name] => (Some(http::decode(publisher)), name),
            _ => return None,
        };
        let page = NAMES.iter().find(|(own, _)| *own == name).map(|(_, page)| *page)?;
        let parameters = request.query.split('&').filter_map(|pair| pair.split_once('='));
        let plain = |text: &str| http::decode(&text.replace('+', " "));
        let parameters = parameters.map(|(name, value)| (plain(name), plain(value))).collect();
        Some(Place { page, publisher, parameters })
    }

    /// A parameter that says something.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter().filter(|(own, _)| own == name);
        all.next_back().map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// A page number, from 1.
    pub fn number(&self, name: &str) -> usize {
        self.parameter(name).and_then(|text| text.parse().ok()).filter(|n| *n > 0).unwrap_or(1)
    }

    /// What leads from here to the depot's root.
    fn root(&self) -> &'static str {
        if self.publisher.is_some() { "../../" } else { "../" }
    }

    /// A link to something of the depot, `path` from its root.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.root())
    }

    /// A link to a page, of a publisher or of all.
    pub fn to(&self, page: Page, publisher: Option<&str>, parameters: &[(&str, &str)]) -> String {
        let name = NAMES.iter().find(|(_, own)| *own == page).map_or("", |(name, _)| *name);
        let folder = publisher.map_or(String::new(), |name| format!("{}/", quote(name)));
        let mut link = format!("{}{folder}en/{name}", self.root());
        for (at, (name, value)) in parameters.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            link.push_str(&format!("{mark}{name}={}", quote(value)));
        }
        link
    }

    /// A link to a package, the newest where no version is named.
    pub fn package(&self, publisher: &str, name: &str, version: Option<&str>) -> String {
        let mut parameters = vec![("name", name)];
        parameters.extend(version.map(|version| ("version", version)));
        self.to(Page::Package, Some(publisher), &parameters)
    }
}
