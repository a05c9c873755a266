//! Says which parameters of a rung a file of weights has:
//! `cargo run --release -p stepladder-weights --example fit -- resnet18 FILE|FOLDER|hf:timm/NAME`

use std::process::ExitCode;
use stepladder_model::RungCatalog;
use stepladder_weights::{fit, open};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rung, weights] = arguments.as_slice() else {
        return Err("name a rung and a file of weights".into());
    };
    let rung = RungCatalog::shipped().open(rung)?;
    let opened = open(weights)?;
    let fitted = fit(&opened.weights, &rung.graph(rung.input.size, 2)?);
    let filled = fitted.parameters.iter().flatten().count();
    println!("{filled} of {} parameters", fitted.parameters.len());
    println!("missing: {}", fitted.missing.join(", "));
    println!("unused: {}", fitted.unused.join(", "));
    for misfit in &fitted.misfits {
        println!("misfit: {misfit}");
    }
    Ok(())
}
