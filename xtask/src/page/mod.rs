//! The look of all pages: one file that needs no network, light and dark as the reader's system is.

pub mod plot;

use std::fs;
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The library that draws. It stands in the page, without the one for formulas that the package has as well.
fn script() -> String {
    let scripts = plotly::Plot::offline_js_sources();
    let end = scripts.find("</script>").unwrap_or(0);
    format!("{}</script>", &scripts[..end])
}

/// Writes a file, and the folder that it is in.
pub fn write(file: &Path, text: &str) -> Result<(), String> {
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(file, text));
    written.map_err(|error| format!("{}: cannot be written: {error}", file.display()))
}

/// A whole page.
pub fn page(title: &str, head: &Markup, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "epoch-arena: " (title) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                main {
                    header { h1 { "epoch-arena " span { (title) } } (head) }
                    (body)
                }
                (PreEscaped(script()))
                script { (PreEscaped(include_str!("page.js"))) }
            }
        }
    };
    markup.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_whole_escapes_what_it_is_given_and_has_its_script_inside() {
        let page = page("a<b", &html! {}, &html! { p { "c<d" } });
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
        assert!(page.contains("a&lt;b") && page.contains("c&lt;d"));
        assert!(page.contains("plotly.js v") && page.len() > 1 << 20, "{}", page.len());
        for foreign in ["<script src", "<link", "@import"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
