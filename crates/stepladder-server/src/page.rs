//! The page at `/`: drop photos or take one, and see classes, probabilities and heat maps. Everything it needs is inside it,
//! and its content security policy lets it talk to this server alone.

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use maud::{Markup, html};
use std::sync::LazyLock;
use stepladder_page::{Kind, Page};

/// The document, which is the same for everybody: the models are asked for by its script, with the token if need be.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    Page::new(Kind::Served, "What is on this photo?")
        .lead("Photos go to this server and nowhere else, and it keeps none of them.")
        .style(include_str!("../page/page.css"))
        .script(include_str!("../page/page.js"))
        .section("ask", "Ask", ask())
        .section("answers", "Answers", answers())
        .render()
});

/// The document.
pub(crate) async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // A document cannot forbid this by itself.
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(), geolocation=()",
        ),
    ];
    (headers, DOCUMENT.as_str())
}

/// Where photos and options come from.
fn ask() -> Markup {
    html! {
        form id="unlock" hidden {
            label for="token" { "Token of this server" }
            input id="token" type="password" autocomplete="off" required;
            button type="submit" { "Use it" }
        }
        div id="drop" {
            p class="big" { "Drop photos here" }
            div class="ways" {
                button type="button" id="choose" { "Choose photos" }
                button type="button" id="camera" class="plain" { "Use the camera" }
            }
            p class="soft" { "or paste one. JPEG, PNG, WebP, BMP, GIF or TIFF" }
            input id="files" type="file" accept="image/*" multiple hidden;
        }
        div id="viewer" hidden {
            video id="video" playsinline muted aria-label="Picture of the camera" {}
            div class="ways" {
                button type="button" id="take" { "Take a photo" }
                button type="button" id="close" class="plain" { "Close the camera" }
            }
        }
        div class="options" {
            label { "Model " select id="model" {} }
            label { "Unsure below " select id="unsure" {
                option value="0" { "never" }
                @for percent in [50, 60, 70, 80, 90] { option value=(percent) { (percent) "%" } }
            } }
            label { input id="heat" type="checkbox" checked; " Show where it looks" }
            label { input id="tta" type="checkbox"; " Ask about the mirror image too" }
        }
        p id="about" class="soft" {}
        p id="status" role="status" aria-live="polite" {}
    }
}

/// Where answers go, and what each looks like.
fn answers() -> Markup {
    html! {
        p id="none" class="soft" { "None yet." }
        ol id="list" {}
        template id="answer" {
            li class="answer" {
                figure {
                    div class="photo" { canvas class="picture" {} canvas class="warm" aria-hidden="true" {} }
                    figcaption class="soft" {}
                }
                div class="said" {
                    p class="class" {}
                    table { tbody {} }
                }
            }
        }
        div class="ways" { button type="button" id="clear" class="plain" hidden { "Remove all" } }
    }
}
