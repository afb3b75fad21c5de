//! include.rs - what a manifest includes: XInclude, of files beside it alone.
//!
//! `<xi:include href="FILE"/>` is replaced by the root element of FILE, which is below the
//! folder of the outermost manifest.  A path into the folder where the original kept its manifests
//! is one into the folder of ours.  Any other absolute path, `..`, a URL, a part of a document
//! and text are refused; so is what includes itself, by the depth it reaches.  Size and elements
//! of all files together are bounded like those of one.

use crate::native::SCRIPTS;
use crate::tree::{Content, Element, Node, ROOT, Tree};
use crate::xml::{self, ELEMENTS_MAX, ParseError, SIZE_MAX};

/// Opens what is included: a path relative to the manifest's folder; the error says why not.
pub type Open<'a> = dyn FnMut(&str) -> Result<String, String> + 'a;

/// Inclusions in inclusions go so deep at most; a circle ends here.
const DEPTH_MAX: usize = 8;

/// The name spaces of XInclude: the recommendation's, and the draft's that manifests use.
const SPACES: [&str; 2] = ["http://www.w3.org/2001/XInclude", "http://www.w3.org/2003/XInclude"];

/// Reads a manifest and all it includes.
pub(crate) fn read(text: &str, open: &mut Open<'_>) -> Result<Tree, ParseError> {
    let tree = xml::read(text, 0, "", (SIZE_MAX, ELEMENTS_MAX))?;
    let left = (SIZE_MAX - text.len(), ELEMENTS_MAX - tree.len());
    let mut includer = Includer { tree, left, open };
    includer.element(ROOT, "", 0)?;
    Ok(includer.tree)
}

struct Includer<'a, 'o> {
    tree: Tree,
    /// So many bytes and elements may still come.
    left: (usize, usize),
    open: &'a mut Open<'o>,
}

impl Includer<'_, '_> {
    /// Replaces the inclusions below an element of the file `base`.
    fn element(&mut self, node: Node, base: &str, depth: usize) -> Result<(), ParseError> {
        for at in 0..self.tree.get(node).contents.len() {
            let Content::Child(child) = self.tree.get(node).contents[at] else { continue };
            if self.is_inclusion(child) {
                let included = self.include(child, node, base, depth)?;
                self.tree.get_mut(node).contents[at] = Content::Child(included);
            } else {
                self.element(child, base, depth)?;
            }
        }
        Ok(())
    }

    fn is_inclusion(&self, node: Node) -> bool {
        let name = &self.tree.get(node).name;
        let Some(prefix) = name.strip_suffix(":include") else { return false };
        let declaration = format!("xmlns:{prefix}");
        let mut scope = Some(node);
        while let Some(at) = scope {
            if let Some(space) = self.tree.attribute(at, &declaration) {
                return SPACES.contains(&space);
            }
            scope = self.tree.get(at).parent;
        }
        false
    }

    fn include(
        &mut self,
        node: Node,
        parent: Node,
        base: &str,
        depth: usize,
    ) -> Result<Node, ParseError> {
        let (at, within) = (self.tree.get(node).at, self.tree.path(node));
        let refused = |reason: String| ParseError::Malformed {
            file: base.to_owned(),
            at,
            path: within.clone(),
            reason: format!("nothing can be included here: {reason}"),
        };
        if depth == DEPTH_MAX {
            return Err(refused("inclusions are nested too deeply".to_owned()));
        }
        let path = self.path(node, base).map_err(&refused)?;
        let text = (self.open)(&path).map_err(|reason| refused(format!("{path}: {reason}")))?;
        let file = self.tree.files.len();
        let tree = xml::read(&text, file, &path, self.left)?;
        self.left = (self.left.0 - text.len(), self.left.1 - tree.len());
        self.tree.files.push(path.clone());
        let included = self.graft(&tree, ROOT, parent);
        self.element(included, &path, depth + 1)?;
        Ok(included)
    }

    /// The path below the manifest's folder that an inclusion in the file `base` means.
    fn path(&self, node: Node, base: &str) -> Result<String, String> {
        let tree = &self.tree;
        if tree.attribute(node, "parse").is_some_and(|parse| parse != "xml") {
            return Err("text is not included".to_owned());
        }
        let href = tree.attribute(node, "href").unwrap_or_default();
        if href.is_empty() {
            return Err("no file is named".to_owned());
        }
        if tree.attribute(node, "xpointer").is_some() || href.contains('#') {
            return Err("parts of files are not included".to_owned());
        }
        let home = href.strip_prefix(SCRIPTS).and_then(|rest| rest.strip_prefix('/'));
        let base = if home.is_some() { "" } else { base };
        let href = home.unwrap_or(href);
        let outside = href.starts_with('/')
            || href.contains([':', '\\', '\0'])
            || href.split('/').any(|part| matches!(part, "" | "." | ".."));
        if outside {
            return Err(format!("{href} is not below the manifest's folder"));
        }
        Ok(match base.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{href}"),
            None => href.to_owned(),
        })
    }

    /// Copies an element of another tree to below a parent, whose contents do not name it yet.
    fn graft(&mut self, from: &Tree, node: Node, parent: Node) -> Node {
        let element = from.get(node);
        let copy = self.tree.add(Element { parent: None, contents: Vec::new(), ..element.clone() });
        self.tree.get_mut(copy).parent = Some(parent);
        for content in &element.contents {
            let content = match content {
                Content::Child(child) => Content::Child(self.graft(from, *child, copy)),
                Content::Text(_) | Content::Comment(_) => content.clone(),
            };
            self.tree.get_mut(copy).contents.push(content);
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XI: &str = "xmlns:xi='http://www.w3.org/2001/XInclude'";

    fn opened(text: &str) -> Result<Tree, ParseError> {
        read(text, &mut |path| match path {
            "parts/list.xml" => Ok(format!("<list>\n <xi:include {XI} href='more.xml'/></list>")),
            "parts/home.xml" => {
                Ok(format!("<home><xi:include {XI} href='{SCRIPTS}/parts/more.xml'/></home>"))
            }
            "parts/more.xml" => Ok("<more>x</more>".to_owned()),
            "circle.xml" => Ok(format!("<a><xi:include {XI} href='circle.xml'/></a>")),
            "broken.xml" => Ok("<a>\n<b></a>".to_owned()),
            "large.xml" => Ok(" ".repeat(SIZE_MAX)),
            _ => Err("No such file or directory".to_owned()),
        })
    }

    #[test]
    fn files_beside_the_manifest_are_put_in_place() {
        let text = format!("<dc {XI}><a/><xi:include href='parts/list.xml'/><b/></dc>");
        let tree = opened(&text).unwrap();
        let names: Vec<_> = tree.children(ROOT).map(|node| tree.get(node).name.as_str()).collect();
        assert_eq!(names, ["a", "list", "b"]);
        let more = tree.all("list/more")[0];
        assert_eq!(tree.value(more), "x");
        assert_eq!(tree.path(more), "list/more");
        assert_eq!(tree.files, ["", "parts/list.xml", "parts/more.xml"]);
        assert_eq!(tree.get(more).at.file, 2);
        let text = format!("<dc {XI}><xi:include href='{SCRIPTS}/parts/home.xml'/></dc>");
        assert_eq!(opened(&text).unwrap().files, ["", "parts/home.xml", "parts/more.xml"]);
    }

    #[test]
    fn nothing_from_elsewhere_is_included() {
        let include = |attributes: &str| format!("<dc>\n<xi:include {XI} {attributes}/></dc>");
        for (attributes, expected) in [
            (
                "href='/etc/passwd'",
                "line 2, column 1: xi:include: nothing can be included here: /etc/passwd is",
            ),
            ("href='/usr/share/distro_const/../x.xml'", "../x.xml is not below"),
            ("href='/usr/share/distro_constant/x.xml'", "distro_constant/x.xml is not below"),
            ("href='../x.xml'", "../x.xml is not below the manifest's folder"),
            ("href='a/../../x.xml'", "is not below"),
            ("href='file:///etc/passwd'", "is not below"),
            ("href='http://x/y'", "is not below"),
            ("href='a//b'", "is not below"),
            ("href=''", "no file is named"),
            ("", "no file is named"),
            ("href='a' parse='text'", "text is not included"),
            ("href='a#b'", "parts of files"),
            ("href='a' xpointer='b'", "parts of files"),
            ("href='none.xml'", "none.xml: No such file or directory"),
            (
                "href='circle.xml'",
                "circle.xml: line 1, column 4: a/a/a/a/a/a/a/a/xi:include: nothing can be included here: in",
            ),
            ("href='broken.xml'", "broken.xml: line 2, column 4"),
            ("href='large.xml'", "large.xml: the manifest has more than"),
        ] {
            let error = opened(&include(attributes)).unwrap_err().to_string();
            assert!(error.contains(expected), "{attributes}: {error}");
        }
    }

    #[test]
    fn only_the_name_space_makes_an_inclusion() {
        let tree = opened("<dc><xi:include xmlns:xi='http://x' href='/etc/passwd'/></dc>").unwrap();
        assert_eq!(tree.all("xi:include").len(), 1);
    }
}
