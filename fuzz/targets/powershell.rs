//! The shell reader on what `powershell` and `cmd` run: every command stands within the text.
//!
//! Input: a script.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::scan::shell;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for line in [
        format!("powershell -c {text}"),
        format!("powershell.exe -NoP -Command \"{text}\""),
        format!("pwsh -enc {text}"),
        format!("cmd /c {text}"),
        format!("cmd.exe /c \"{text}\""),
    ] {
        for command in &shell::parse(&line).commands {
            assert!(line.get(command.span.clone()).is_some(), "{:?} in {line:?}", command.span);
            let _ = command.name();
        }
    }
});
