//! Names of hosts: places where data is collected, names that lead inside.

use std::sync::LazyLock;

use crate::sort::Arrange;

/// What a name is known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// A service that records whatever is sent to it, or a tunnel to somebody's machine.
    Collector,
    /// A paste or file-drop site without accounts.
    Drop,
    /// A metadata service.
    Metadata,
    /// A name that leads to an address within it, or changes its answer between two queries.
    Rebinding,
    /// A name of this machine or of the network around it.
    Internal,
}

/// What a host name is known for. `name` may have upper case and a final dot.
pub(super) fn known(name: &str) -> Option<Known> {
    let name = name.trim_end_matches('.');
    if name.len() > MAX_NAME || name.is_empty() {
        return None;
    }
    let mut buffer = [0u8; MAX_NAME];
    let slot = buffer.get_mut(..name.len())?;
    slot.copy_from_slice(name.as_bytes());
    slot.make_ascii_lowercase();
    let name = std::str::from_utf8(slot).ok()?;
    let listed = &*LISTED;
    let mut found = None;
    let mut at = name.len();
    // From the top-level domain on: the longest name that is listed says most.
    for _ in 0..MAX_LABELS {
        let start = name.get(..at).and_then(|head| head.rfind('.'));
        let suffix = name.get(start.map_or(0, |dot| dot + 1)..).unwrap_or("");
        if listed.shapes.get(shape(suffix)) == Some(&true)
            && let Ok(index) = listed.names.binary_search_by_key(&suffix, |(name, _)| name)
        {
            found = listed.names.get(index).map(|(_, known)| *known);
        }
        match start {
            Some(dot) => at = dot,
            None => break,
        }
    }
    found
}

/// All lists in one.
struct Listed {
    /// Sorted: one search per label.
    names: Vec<(&'static str, Known)>,
    /// The [`shape`]s that names have: mostly no search at all.
    shapes: [bool; SHAPES],
}

/// A number of a name's length, its first and its last byte.
fn shape(name: &str) -> usize {
    let byte = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or(0));
    let bytes = name.as_bytes();
    (bytes.len() * 37 + byte(bytes.first()) * 5 + byte(bytes.last()) * 11) % SHAPES
}

static LISTED: LazyLock<Listed> = LazyLock::new(|| {
    let lists = [
        (COLLECTORS, Known::Collector),
        (DROPS, Known::Drop),
        (METADATA, Known::Metadata),
        (REBINDING, Known::Rebinding),
        (INTERNAL, Known::Internal),
    ];
    let mut all: Vec<_> = lists.iter().flat_map(|(list, known)| list.iter().map(|name| (*name, *known))).collect();
    all.arrange_by_key(|(name, _)| *name);
    let mut shapes = [false; SHAPES];
    for (name, _) in &all {
        if let Some(known) = shapes.get_mut(shape(name)) {
            *known = true;
        }
    }
    Listed { names: all, shapes }
});

const SHAPES: usize = 1024;

/// No listed name has more labels.
const MAX_LABELS: usize = 5;
/// RFC 1035 section 2.3.4.
const MAX_NAME: usize = 255;

/// Request recorders, out-of-band interaction servers and tunnels. Sorted.
const COLLECTORS: &[&str] = &[
    "argotunnel.com",
    "beeceptor.com",
    "bin.re",
    "bore.digital",
    "bore.pub",
    "btunnel.co.in",
    "burpcollaborator.net",
    "bxss.in",
    "bxss.me",
    "canarytokens.com",
    "canarytokens.org",
    "ceye.io",
    "d.rip",
    "devtunnels.ms",
    "dnsbin.zhack.ca",
    "dnshook.site",
    "dnslog.cn",
    "dnslog.io",
    "dnslog.link",
    "expose.sh",
    "eyes.sh",
    "hkdk.events",
    "hookb.in",
    "hookbin.com",
    "hookdeck.events",
    "hookrelay.dev",
    "httpdump.app",
    "inlets.dev",
    "interact.sh",
    "lhr.life",
    "lhr.rocks",
    "lhrtunnel.link",
    "loca.lt",
    "localhost.run",
    "localto.net",
    "localtonet.com",
    "localtunnel.it",
    "localtunnel.me",
    "localxpose.io",
    "loclx.io",
    "mockbin.io",
    "mockbin.org",
    "ngrok-free.app",
    "ngrok-free.dev",
    "ngrok-free.io",
    "ngrok.app",
    "ngrok.com",
    "ngrok.dev",
    "ngrok.io",
    "ngrok.pizza",
    "ngrok.pro",
    "oast.fun",
    "oast.live",
    "oast.me",
    "oast.online",
    "oast.pro",
    "oast.site",
    "oastify.com",
    "packetriot.net",
    "pagekite.me",
    "pingb.in",
    "pinggy.io",
    "pinggy.link",
    "pinggy.online",
    "pipedream.net",
    "play.svix.com",
    "playit.gg",
    "ply.gg",
    "portmap.host",
    "portmap.io",
    "postb.in",
    "ptsv2.com",
    "ptsv3.com",
    "r87.me",
    "rbaskets.in",
    "requestb.in",
    "requestbin.com",
    "requestbin.io",
    "requestbin.net",
    "requestcatcher.com",
    "requestinspector.com",
    "requestrepo.com",
    "serveo.net",
    "serveousercontent.com",
    "sharedwithexpose.com",
    "smee.io",
    "telebit.cloud",
    "telebit.io",
    "toptal-postbin.com",
    "trycloudflare.com",
    "tu4.org",
    "tunnel.gg",
    "tunnelmole.net",
    "tunnels.api.visualstudio.com",
    "tunnelto.dev",
    "tunnl.gg",
    "typedwebhook.tools",
    "ultrahook.com",
    "webhook-test.com",
    "webhook.cool",
    "webhook.site",
    "webhook.win",
    "webhookapp.com",
    "webhookinbox.com",
    "webhookrelay.com",
    "xss.ht",
    "xss.report",
    "xsshunter.com",
    "zrok.io",
];

/// Paste and file-drop sites without accounts. Sorted.
const DROPS: &[&str] = &[
    "0paste.com",
    "0x0.st",
    "1fichier.com",
    "4shared.com",
    "anonfile.com",
    "anonfiles.com",
    "anonymfile.com",
    "api.telegram.org",
    "bashupload.com",
    "bayfiles.com",
    "bpa.st",
    "buzzheavier.com",
    "c-v.sh",
    "catbox.moe",
    "cl1p.net",
    "clbin.com",
    "commie.io",
    "controlc.com",
    "ddownload.com",
    "dpaste.com",
    "dpaste.org",
    "dropmefiles.com",
    "dumpz.org",
    "easyupload.io",
    "envs.sh",
    "file-upload.net",
    "file.coffee",
    "file.io",
    "file2send.eu",
    "filebin.ca",
    "filebin.net",
    "fileditch.com",
    "filemail.com",
    "filetransfer.io",
    "ghostbin.co",
    "ghostbin.com",
    "ghostbin.site",
    "gofile.io",
    "hastebin.com",
    "hastebin.de",
    "hatebin.com",
    "heypasteit.com",
    "ix.io",
    "justpaste.it",
    "katb.in",
    "keep.sh",
    "krakenfiles.com",
    "mediafire.com",
    "mega.nz",
    "megaupload.com",
    "nopaste.net",
    "oshi.at",
    "p.ip.fi",
    "paste.c-net.org",
    "paste.centos.org",
    "paste.debian.net",
    "paste.ee",
    "paste.gg",
    "paste.mozilla.org",
    "paste.opensuse.org",
    "paste.rohitab.com",
    "paste.rs",
    "paste.ubuntu.com",
    "paste2.org",
    "pastebin.ai",
    "pastebin.com",
    "pastebin.pl",
    "pastecode.io",
    "pasteio.com",
    "pastery.net",
    "pastes.io",
    "pastetext.net",
    "pastie.org",
    "pixeldrain.com",
    "pomf.cat",
    "privatebin.info",
    "privatebin.net",
    "privatlab.com",
    "privatlab.net",
    "qu.ax",
    "rapidgator.net",
    "rapidshare.com",
    "rentry.co",
    "rentry.org",
    "send.exploit.in",
    "send.firefox.com",
    "send.vis.ee",
    "sendgb.com",
    "sendspace.com",
    "siasky.net",
    "snippet.host",
    "spit.mixtape.moe",
    "sprunge.us",
    "storjshare.io",
    "temp.sh",
    "termbin.com",
    "textbin.net",
    "tmp.ninja",
    "tmpfiles.org",
    "transfer.adminforge.de",
    "transfer.sh",
    "transfernow.net",
    "ttm.sh",
    "ufile.io",
    "uguu.se",
    "upload.ee",
    "uploadfiles.io",
    "w3spaces.com",
    "we.tl",
    "wetransfer.com",
    "wikisend.com",
    "workupload.com",
    "wormhole.app",
    "x0.at",
    "zerobin.net",
    "zerobin.org",
    "zippyshare.com",
];

/// Names of metadata services (their addresses are in [`super::address`]). Sorted.
const METADATA: &[&str] = &[
    "api.metadata.cloud.ibm.com",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.com",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.oraclecloud.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.tencentyun.com",
    "rancher-metadata",
];

/// DNS services that answer with the address within the name, test names that lead to loopback, and
/// rebinding services. Sorted.
const REBINDING: &[&str] = &[
    "127-0-0-1.org.uk",
    "1u.ms",
    "42foo.com",
    "backname.io",
    "bugbounty.dod.network",
    "feteste.me",
    "fuf.me",
    "lacolhost.com",
    "localdev.me",
    "localdomain.pw",
    "localh.st",
    "localho.st",
    "localtest.me",
    "localtls.dev",
    "lvh.me",
    "lvh.re",
    "mail.ebc.apple.com",
    "nip.io",
    "rbndr.us",
    "rebind.it",
    "rebind.network",
    "smackaho.st",
    "sslip.io",
    "ssrf.localdomain.pw",
    "traefik.me",
    "vcap.me",
    "xip.io",
    "xip.name",
];

/// RFC 6761 and RFC 6762 names, names that runtimes give to the host, private top-level domains. Sorted.
const INTERNAL: &[&str] = &[
    "broadcasthost",
    "corp",
    "home.arpa",
    "internal",
    "intranet",
    "ip6-localhost",
    "ip6-loopback",
    "kubernetes",
    "kubernetes.default",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "localhost4",
    "localhost6",
    "loopback",
    "svc",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        for set in [COLLECTORS, DROPS, METADATA, REBINDING, INTERNAL] {
            assert!(set.windows(2).all(|pair| pair[0] < pair[1]), "{set:?}");
        }
    }

    #[test]
    fn suffixes_count_by_label() {
        assert_eq!(known("abc.NGROK.io."), Some(Known::Collector));
        assert_eq!(known("notngrok.io"), None);
        assert_eq!(known("10.0.0.1.nip.io"), Some(Known::Rebinding));
        assert_eq!(known("metadata.google.internal"), Some(Known::Metadata));
        assert_eq!(known("db.internal"), Some(Known::Internal));
        assert_eq!(known("example.com"), None);
    }
}
