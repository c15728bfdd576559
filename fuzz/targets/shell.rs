//! The shell reader: every command stands within the text, and no text makes more than a bounded number of them.
//!
//! Input: a command line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::scan::shell;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for line in
        [text.to_string(), format!("sh -c '{text}'"), format!("x=$({text})\n`{text}`"), format!("cat <<E\n{text}\nE")]
    {
        let script = shell::parse(&line);
        for (index, command) in script.commands.iter().enumerate() {
            assert!(line.get(command.span.clone()).is_some(), "{:?} in {line:?}", command.span);
            let _ = command.name();
            assert!(command.operands().count() <= command.args().count());
            script.sources(index).for_each(drop);
        }
    }
});
