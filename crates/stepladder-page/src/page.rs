//! The document around a page's content: head, styles, policy, title, main part.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The styles of all pages: colors by the reader's scheme, type, and what [`element`](crate::element) uses.
const STYLE: &str = include_str!("page.css");

/// Where a page lives, which decides what it may load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file: everything is inside it, and it may load nothing.
    File,
    /// A page that Stepladder serves: it may also talk to the server that it came from, and show pictures and video that the
    /// browser itself holds, such as a dropped photo or the camera's.
    Served,
}

impl Kind {
    /// The content security policy: scripts and styles from the document alone.
    fn policy(self, script_is_a_file: bool) -> &'static str {
        match self {
            Kind::Served if script_is_a_file => {
                "default-src 'none'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; \
                 style-src 'unsafe-inline'; script-src 'self'; base-uri 'none'; form-action 'self'"
            }
            Kind::File => {
                "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                 base-uri 'none'; form-action 'none'"
            }
            Kind::Served => {
                "default-src 'none'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; \
                 style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'self'"
            }
        }
    }
}

/// A page in the making; [`render`](Self::render) gives the document.
#[derive(Debug)]
pub struct Page {
    kind: Kind,
    title: String,
    lead: Option<String>,
    style: String,
    script: String,
    script_file: Option<String>,
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    id: String,
    heading: String,
    content: Markup,
}

impl Page {
    /// A page without content. The title is shown as its heading, too.
    pub fn new(kind: Kind, title: impl Into<String>) -> Page {
        Page {
            kind,
            title: title.into(),
            lead: None,
            style: String::new(),
            script: String::new(),
            script_file: None,
            sections: Vec::new(),
        }
    }

    /// The one sentence below the title that a reader in a hurry should get.
    pub fn lead(mut self, lead: impl Into<String>) -> Page {
        self.lead = Some(lead.into());
        self
    }

    /// Styles of this page alone, behind the common ones. They must not contain `</style`.
    pub fn style(mut self, css: &str) -> Page {
        self.style.push_str(css);
        self
    }

    /// A script of this page alone, run when the content is there. It must not contain `</script`.
    pub fn script(mut self, script: &str) -> Page {
        self.script.push_str(script);
        self
    }

    /// The address of a script on the server that the page comes from, instead of one inside it: then nothing that is written into the
    /// page can be run as one.
    pub fn script_file(mut self, address: &str) -> Page {
        self.script_file = Some(address.to_owned());
        self
    }

    /// Appends a section. `id` is its anchor: letters, digits and '-'.
    pub fn section(mut self, id: &str, heading: impl Into<String>, content: Markup) -> Page {
        self.sections.push(Section {
            id: id.to_owned(),
            heading: heading.into(),
            content,
        });
        self
    }

    /// The document. Pages of more than three sections begin with links to them.
    pub fn render(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(self.kind.policy(self.script_file.is_some()));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(concat!("Stepladder ", env!("CARGO_PKG_VERSION")));
                    title { (self.title) }
                    // An empty icon, so that no browser asks for one.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) (PreEscaped(&self.style)) }
                }
                body {
                    a class="skip" href="#main" { "Skip to the content" }
                    header class="top" {
                        h1 { (self.title) }
                        @if let Some(lead) = &self.lead { p class="lead" { (lead) } }
                        @if self.sections.len() > 3 { (self.contents()) }
                    }
                    main id="main" tabindex="-1" {
                        @for section in &self.sections { (section.markup()) }
                    }
                    footer { "Stepladder " (env!("CARGO_PKG_VERSION")) }
                    @if let Some(address) = &self.script_file { script src=(address) {} }
                    @if !self.script.is_empty() { script { (PreEscaped(&self.script)) } }
                }
            }
        }
        .into_string()
    }

    fn contents(&self) -> Markup {
        html! {
            nav aria-label="Sections" {
                ul {
                    @for section in &self.sections {
                        li { a href={ "#" (section.id) } { (section.heading) } }
                    }
                }
            }
        }
    }
}

impl Section {
    fn markup(&self) -> Markup {
        let heading = format!("{}-heading", self.id);
        html! {
            section id=(self.id) aria-labelledby=(heading) {
                h2 id=(heading) { (self.heading) }
                (self.content)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_a_file_may_load_nothing() {
        let page = Page::new(Kind::File, "<script>alert(1)</script>")
            .lead("a & b")
            .section("one", "One", html! { p { "<b>" } })
            .render();
        assert!(page.starts_with("<!DOCTYPE html>"));
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("a &amp; b") && page.contains("&lt;b&gt;"));
        assert!(page.contains("default-src 'none'") && !page.contains("connect-src"));
        assert!(!page.contains("<nav"), "one section needs no list of sections");
        for outside in ["http://", "https://", "src=\"/", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_served_page_may_talk_to_its_server_and_many_sections_are_listed() {
        let mut page = Page::new(Kind::Served, "t").script("let a = 1 < 2;");
        for id in ["a", "b", "c", "d"] {
            page = page.section(id, id.to_uppercase(), html! {});
        }
        let page = page.render();
        assert!(page.contains("connect-src 'self'") && page.contains("let a = 1 < 2;"));
        assert!(page.contains("<a href=\"#c\">C</a>") && page.contains("<section id=\"c\""));
    }

    #[test]
    fn a_script_of_its_own_forbids_those_in_the_page() {
        let page = Page::new(Kind::Served, "t").script_file("live.js").render();
        assert!(page.contains("<script src=\"live.js\"></script>"));
        assert!(page.contains("script-src 'self'") && !page.contains("script-src 'unsafe-inline'"));
    }
}
