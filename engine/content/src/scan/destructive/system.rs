//! Logs, schedulers, services, guards and backups of the machine.

use super::Rule;
use crate::scan::shell::Command;

/// Commands on the machine itself.
pub(super) fn check(command: &Command, name: &str) -> Option<Rule> {
    let lower = |arg: &str| arg.to_ascii_lowercase();
    let any = |list: &[&str]| command.args().any(|arg| list.contains(&lower(arg).as_str()));
    let first = lower(command.operands().next().unwrap_or(""));
    let assigned = command.assignments.iter().any(|(key, value)| history_off(key, value));
    if assigned {
        return Some(Rule::LogTamper);
    }
    let log = || Some(Rule::LogTamper);
    let service = || Some(Rule::ServiceTamper);
    match name {
        "history" => {
            (command.short('c') || command.short('w') && command.pipe_from.is_some() || any(&["clear"])).then(log)?
        }
        "unset" => any(&["histfile", "histsize", "histfilesize", "prompt_command"]).then(log)?,
        "export" | "declare" | "set" => {
            let off = command.args().any(|arg| arg.split_once('=').is_some_and(|(key, value)| history_off(key, value)));
            let option = name == "set" && command.arg(0) == "+o" && command.arg(1) == "history";
            (off || option).then(log)?
        }
        "wevtutil" => matches!(first.as_str(), "cl" | "clear-log" | "sl").then(log)?,
        "clear-eventlog" | "remove-eventlog" | "limit-eventlog" | "clear-history" => log(),
        "auditctl" => (command.short('D') || (command.short('e') && any(&["0"]))).then(log)?,
        "auditpol" => any(&["/clear", "/remove", "/success:disable"]).then(log)?,
        "journalctl" => command.args().any(|arg| arg.starts_with("--vacuum")).then(log)?,
        "logrotate" | "rsyslogd" => None,
        // A new table out of a pipe takes the place of what was there.
        "crontab" => {
            (command.short('r') && !command.short('l') || any(&["-"]) && command.pipe_from.is_some()).then(service)?
        }
        "systemctl" | "service" | "rc-service" | "initctl" | "launchctl" | "chkconfig" | "update-rc.d" => {
            services(command, name)
        }
        "reboot" | "poweroff" | "halt" => (!any(&["--help", "-w", "--wtmp-only"])).then_some(Rule::MachineStop),
        "shutdown" => {
            (!any(&["-c", "/a", "--help", "-k", "--show"]) && command.words.len() > 1).then_some(Rule::MachineStop)
        }
        "init" | "telinit" => matches!(first.as_str(), "0" | "6").then_some(Rule::MachineStop),
        "setenforce" => matches!(first.as_str(), "0" | "permissive").then(service)?,
        "tmutil" => any(&["disable", "delete", "deletelocalsnapshots"]).then(service)?,
        "vssadmin" => any(&["delete", "resize"]).then(service)?,
        "wbadmin" => any(&["delete"]).then(service)?,
        "bcdedit" => any(&["recoveryenabled", "bootstatuspolicy", "/delete", "/deletevalue"]).then(service)?,
        "wmic" => (any(&["shadowcopy"]) && any(&["delete"])).then(service)?,
        "cipher" => command.args().any(|arg| lower(arg).starts_with("/w:")).then_some(Rule::DiskWipe),
        "reagentc" => any(&["/disable"]).then(service)?,
        "iptables" | "ip6tables" => {
            (command.has(&["--flush"]) || command.short('F') || command.short('X')).then(service)?
        }
        "nft" => (first == "flush").then(service)?,
        "ufw" => matches!(first.as_str(), "disable" | "reset").then(service)?,
        "firewall-cmd" => any(&["--panic-on"]).then(service)?,
        "netsh" => (any(&["off", "disable"]) && any(&["firewall", "advfirewall"])).then(service)?,
        "set-mppreference" | "add-mppreference" => command
            .args()
            .any(|arg| lower(arg).starts_with("-disable") || lower(arg).starts_with("-exclusion"))
            .then(service)?,
        "uninstall-windowsfeature" => service(),
        "schtasks" => any(&["/delete", "/change", "/create"]).then(service)?,
        "sc" => matches!(first.as_str(), "delete" | "stop" | "config").then(service)?,
        "net" | "net1" => (first == "stop"
            || (any(&["/delete", "/del"]) && matches!(first.as_str(), "user" | "share")))
        .then(service)?,
        "reg" => (first == "delete").then(service)?,
        "remove-itemproperty" => service(),
        "kill" => (any(&["-1"]) && any(&["-9", "-kill", "-sigkill"])).then(service)?,
        "pkill" | "killall" | "killall5" => {
            (any(&["-u"]) && any(&["root"]) || any(&["sshd", "auditd", "rsyslogd", "systemd"]) || name == "killall5")
                .then(service)?
        }
        "taskkill" => any(&["lsass.exe", "winlogon.exe", "csrss.exe"]).then(service)?,
        "stop-computer" | "restart-computer" => Some(Rule::MachineStop),
        "passwd" | "usermod" => (any(&["-d", "-l", "--delete", "--lock"]) && any(&["root"])).then(service)?,
        // Programs of Windows that fetch something and run it (LOLBAS).
        "certutil" | "mshta" | "regsvr32" | "bitsadmin" | "rundll32" | "msiexec" | "wscript" | "cscript" => command
            .args()
            .any(|arg| {
                let arg = lower(arg);
                arg.contains("http://")
                    || arg.contains("https://")
                    || arg.starts_with("javascript:")
                    || arg.starts_with("vbscript:")
            })
            .then_some(Rule::DecodedExecution),
        "userdel" | "deluser" | "remove-localuser" | "groupdel" => service(),
        "swapoff" | "sysctl" => command
            .args()
            .any(|arg| arg.starts_with("kernel.panic") || arg.starts_with("kernel.sysrq="))
            .then(service)?,
        "echo" | "printf" => {
            command.redirects.iter().any(|redirect| redirect.target == "/proc/sysrq-trigger").then(service)?
        }
        "apt" | "apt-get" | "yum" | "dnf" | "zypper" | "pacman" | "dpkg" | "rpm" => {
            let essential = command.operands().any(|arg| {
                matches!(
                    arg,
                    "libc6"
                        | "glibc"
                        | "systemd"
                        | "sudo"
                        | "openssh-server"
                        | "coreutils"
                        | "bash"
                        | "dpkg"
                        | "linux-image-*"
                        | "kernel"
                )
            });
            let removes = any(&["purge", "remove", "erase", "autoremove", "--purge", "-r"])
                || command.args().any(|arg| arg == "-Rns" || arg == "-e");
            let unconfirmed = command.args().any(|arg| arg == "--allow-remove-essential");
            ((essential && removes) || unconfirmed).then(service)?
        }
        _ => None,
    }
}

fn services(command: &Command, name: &str) -> Option<Rule> {
    let verb = command
        .args()
        .any(|arg| matches!(arg, "stop" | "disable" | "mask" | "kill" | "unload" | "bootout" | "remove" | "off"));
    let guard = command.args().any(|arg| {
        let unit = arg.to_ascii_lowercase();
        [
            "ssh",
            "audit",
            "rsyslog",
            "syslog",
            "firewall",
            "ufw",
            "iptables",
            "nftables",
            "apparmor",
            "selinux",
            "fail2ban",
            "cron",
            "falcon",
            "clamav",
            "clamd",
            "ossec",
            "wazuh",
            "defender",
            "mdatp",
            "crowdstrike",
            "systemd-journald",
            "docker",
            "kubelet",
            "network",
            "osquery",
            "sentinel",
            "carbon",
            "cbdaemon",
        ]
        .iter()
        .any(|part| unit.contains(part))
    });
    let isolates = name == "systemctl"
        && command.args().any(|arg| matches!(arg, "isolate" | "rescue" | "emergency" | "halt" | "poweroff"));
    ((verb && guard) || isolates && command.args().any(|arg| arg == "isolate")).then_some(Rule::ServiceTamper)
}

fn history_off(key: &str, value: &str) -> bool {
    match key {
        "HISTFILE" => value.is_empty() || value == "/dev/null",
        "HISTSIZE" | "HISTFILESIZE" => value == "0",
        "HISTCONTROL" => value.contains("ignore") && value.contains("space"),
        _ => false,
    }
}
