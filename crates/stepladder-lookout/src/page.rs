//! The page at `/` and its script. The document is the same for everybody; what is shown comes as events.

use axum::http::header;
use axum::response::IntoResponse;
use maud::{Markup, html};
use std::sync::LazyLock;
use stepladder_page::{Kind, Page};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    Page::new(Kind::Served, "Trainings")
        .lead("Curves and figures as they come.")
        .style(include_str!("../page/live.css"))
        .script_file("live.js")
        .section("run", "Run", run())
        .section("curves", "Curves", curves())
        .section("runs", "All runs", runs())
        .render()
});

/// The document.
pub(crate) async fn document() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        // A document cannot forbid this by itself.
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
    ];
    (headers, DOCUMENT.as_str())
}

/// Its script.
pub(crate) async fn script() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (headers, include_str!("../page/live.js"))
}

/// The run that is shown: figures, and what it can be asked for.
fn run() -> Markup {
    html! {
        form id="unlock" hidden {
            label for="token" { "Token, as `stepladder watch` printed it" }
            input id="token" type="password" autocomplete="off" required;
            button type="submit" { "Use it" }
        }
        p id="connection" role="status" { "Connecting .." }
        div id="figures" {}
        div id="ask" class="ways" hidden {
            button type="button" id="checkpoint" class="plain" { "Take a checkpoint" }
            button type="button" id="stop" { "Stop, to go on later" }
        }
        p id="asked" role="status" {}
        // Read out after each epoch, and not at each step.
        p id="said" class="heard" aria-live="polite" {}
    }
}

/// The curves of the runs that are shown.
fn curves() -> Markup {
    html! {
        p id="following" class="soft" { "Choose runs below to lay their curves over each other." }
        button type="button" id="follow" class="plain" hidden { "Follow the run in training" }
        div id="charts" {}
        div id="epochs" {}
    }
}

/// All runs; the script fills the table.
fn runs() -> Markup {
    let heads = [
        ("name", "Run"),
        ("state", "State"),
        ("model", "Model"),
        ("data", "Photos"),
        ("epoch", "Epoch"),
        ("val", "Validation"),
        ("test", "Test"),
        ("started", "Begun"),
    ];
    let is_number = |key: &str| ["epoch", "val", "test"].contains(&key);
    html! {
        div class="filter" {
            label for="filter" { "Only runs with" }
            input id="filter" type="search" autocomplete="off" spellcheck="false" placeholder="a name, model or state";
            span id="count" class="soft" role="status" {}
        }
        div class="scroll" role="region" aria-label="List of runs" tabindex="0" {
            table id="list" {
                caption { "Press a heading to sort by it." }
                thead { tr {
                    th scope="col" { "Show" }
                    @for (key, head) in heads {
                        th scope="col" data-key=(key) class=[is_number(key).then_some("number")] {
                            button type="button" class="head" { (head) }
                        }
                    }
                } }
                tbody {}
            }
        }
        p id="none" class="soft" hidden { "There are no runs yet. They appear here as soon as a training begins." }
    }
}
