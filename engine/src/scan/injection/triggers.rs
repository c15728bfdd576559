//! The literals without which a text is not looked at. Words are the rarer half of what an
//! injection must say: what is set aside, what for, by whom.

use super::markup::{MARKS, TEMPLATES};

/// Words and stems, in lower case, at least four bytes each.
pub(super) const WORDS: &[&str] = &[
    // English.
    "ignor", "ignør", "disregard", "forget", "overrid", "overrul", "overlook", "supersed", "precedence", "instruct", "nstruct", "guardrail", "guideline", "directive", "system prompt",
    "system mode", "jailbreak", "pretend", "roleplay", "role-play", "role play", "act as", "acting as", "you are now", "from now", "do anything", "developer mode", "dev mode", "god mode", "maintenance mode", "override mode", "debug mode", "unfiltered", "uncensored", "amoral", "unrestrict", "restriction", "without restrict",
    "persona", "in character", "chatgpt", "openai", "anthropic", " gpt", "language model", "an ai ", "ai model", "fictional", "hypothetic", "imaginary", "do not mention", "don't mention", "do not tell", "don't tell", "do not inform", "not reveal", "do not disclose", "never mention", "without telling", "without inform", "without notif", "without mention", "silently", "secretly", "quietly", "covertly", "in the background",
    "tell the user", "inform the user", "the user to", "user asks", "exfiltrat", "bypass", "disable", "safety", "suspended", "credential", "password", "secret", "api key", "api_key", "private key", "id_rsa", ".ssh/", "/etc/passwd", ".env ", ".aws/", "environment variable", "connection string",
    "your rules", "your prompt", "your initial", "your system", "your instruct", "important", "before using", "before calling", "using this tool", "this tool,", "other tools", "any other tool", "must call", "first call", "always call", "contents of", "conversation history", "full conversation", "chat history", "new task", "new role", "new goal", "your creator", "your developer", "i am god", "obey", "comply", "refuse",
    "pwned", "reply with", "respond with", "only respond", "simply respond", "just print", "print \"", "nothing else", "nevermind", "stop everything", "pay no attention", "put all", "outdated", "as optional", "void", "future sessions", "next session", "permanently", "curl ", "whitetext", "invisible to", "white-text", "run:", "os.environ", "to my email", "enable", "activate", "unlock", "administrator", "law enforcement", "the president",
    // German, Dutch.
    "anweisung", "instruktion", "missacht", "vergiss", "vergessen", "vergesst", "überschreib", "ab jetzt", "von nun an", "ab sofort", "du bist jetzt", "tu so", "verhalte dich", "einschränkung", "passwort", "geheim", "heimlich", "entwickler", "systemmodus", "wartungsmodus", "verraten", "negeer", "vergeet", "instructies",
    // French.
    "oubli", "ignore", "consigne", "désormais", "dorénavant", "à partir de maintenant", "fais semblant", "agis comme", "mot de passe", "clé secrète", "mode système", "mode maintenance", "développeur", "sans restriction", "secrètement",
    // Spanish, Portuguese, Italian.
    "olvid", "instruccion", "instrucción", "descarta", "caso omiso", "a partir de ahora", "actúa como", "contraseña", "clave secreta", "modo ", "desarrollador", "esqueç", "esquec", "instruç", "desconsider", "a partir de agora", "senha", "desenvolvedor", "dimentica", "istruzion", "trascura", "d'ora in poi", "fingi", "finge", "fai finta", "sviluppatore", "modalità", "segret", "segred", "anteriores", "precedent",
    // Turkish, Polish, Indonesian, Tagalog, Vietnamese.
    "talimat", "yoksay", "görmezden", "şifre", "parola", "unut", "instrukcj", "zignoruj", "zapomnij", "abaikan", "lupakan", "perintah", "kata sandi", "huwag pansin", "kalimutan", "tagubilin", "lihim", "chỉ dẫn", "hướng dẫn", "bỏ qua", "quên", "mật khẩu", "bí mật", "chế độ",
    // Russian.
    "игнорир", "забудь", "инструкц", "указани", "пренебрег", "отныне", "с этого момента", "притвор", "парол", "секрет", "режим", "РЕЖИМ", "разработчик", "Забудь", "Игнорир", "Инструкц", "Проигнорир", "Отныне", "Пароль",
    // Chinese, Japanese, Korean.
    "忽略", "无视", "無視", "忘记", "忘記", "指令", "指示", "提示词", "提示詞", "命令", "扮演", "假装", "密码", "密碼", "密钥", "模式", "绕过", "不要告诉", "系统提示", "上帝", "开发者", "忘れ", "ルール", "プロンプト", "パスワード", "モード", "ふりを", "秘密", "開発者", "従っ", "지시", "무시", "명령", "잊어", "비밀", "모드", "개발자", "프롬프트",
    // Hindi, Bengali, Arabic, Thai.
    "निर्देश", "अनदेखा", "अनदेखी", "भूल", "नजरअंदाज", "नज़रअंदाज़", "पासवर्ड", "गुप्त", "मोड", "ओवरराइड", "डेवलपर", "भगवान", "উপেক্ষা", "নির্দেশ", "ভুলে", "মোড", "পাসওয়ার্ড", "تجاهل", "تعليمات", "انس", "كلمة المرور", "وضع", "المطور", "คำสั่ง", "ละเว้น", "เพิกเฉย", "ลืม", "โหมด", "รหัสผ่าน",
];

/// What the shared pass looks for: the words, the signs, and what hidden characters look like.
pub(super) const ALL: &[&str] = &JOINED;

const JOINED: [&str; LENGTH] = {
    let mut all = ["<!--"; LENGTH];
    let mut at = 0;
    let mut list = 0;
    while list < LISTS.len() {
        let mut item = 0;
        #[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
        while item < LISTS[list].len() {
            all[at] = LISTS[list][item];
            at += 1;
            item += 1;
        }
        list += 1;
    }
    all
};

const LISTS: [&[&str]; 5] = [WORDS, TEMPLATES, MARKS, HIDDEN, HIDDEN_AFTER_LETTER];
const LENGTH: usize = WORDS.len() + TEMPLATES.len() + MARKS.len() + HIDDEN.len() + HIDDEN_AFTER_LETTER.len();

/// A character of three bytes is too short for the shared pass; with the letter before it, it is not.
macro_rules! after_letters {
    ($($hidden:literal)*) => {
        &[$(
            concat!("a", $hidden), concat!("b", $hidden), concat!("c", $hidden), concat!("d", $hidden), concat!("e", $hidden),
            concat!("f", $hidden), concat!("g", $hidden), concat!("h", $hidden), concat!("i", $hidden), concat!("k", $hidden),
            concat!("l", $hidden), concat!("m", $hidden), concat!("n", $hidden), concat!("o", $hidden), concat!("p", $hidden),
            concat!("r", $hidden), concat!("s", $hidden), concat!("t", $hidden), concat!("u", $hidden), concat!("v", $hidden),
            concat!("w", $hidden), concat!("y", $hidden), concat!(" ", $hidden), concat!(".", $hidden), concat!(":", $hidden), concat!(",", $hidden),
        )*]
    };
}

const HIDDEN_AFTER_LETTER: &[&str] = after_letters!(
    "\u{200b}" "\u{200c}" "\u{200d}" "\u{2060}" "\u{2062}" "\u{2063}" "\u{2064}" "\u{feff}" "\u{202a}" "\u{202b}" "\u{202d}" "\u{202e}"
    "\u{2066}" "\u{2067}" "\u{2068}" "\u{fe00}" "\u{fe01}" "\u{fe02}" "\u{fe0e}" "\u{fe0f}" "\u{180e}"
);

/// Tag letters by the ones that texts have most, selectors by twos, terminal sequences by their usual forms.
const HIDDEN: &[&str] = &[
    "\u{e0020}", "\u{e0061}", "\u{e0065}", "\u{e0069}", "\u{e006e}", "\u{e006f}", "\u{e0073}", "\u{e0074}", "\u{e0001}",
    "\u{200b}\u{200b}", "\u{200b}\u{200c}", "\u{200c}\u{200b}", "\u{200b}\u{200d}", "\u{200d}\u{200b}", "\u{200c}\u{200d}", "\u{200d}\u{200c}", "\u{2060}\u{2060}",
    "\u{ad}\u{ad}", " \u{ad}", "\u{ad} ", "\u{e0100}", "\u{e0120}", "\u{e0130}", "\u{e0140}", "\u{e0150}", "\u{e0154}", "\u{e0155}", "\u{e0160}", "\u{e0161}", "\u{e0164}",
    "\u{1b}[8m", "\u{1b}[2J", "\u{1b}[1A", "\u{1b}[2A", "\u{1b}[2K", "\u{1b}[1K", "\u{1b}[0K", "\u{1b}[0J", "\u{1b}[H\u{1b}", "\u{1b}]8;", "\u{1b}]0;", "\u{1b}]52", "\u{1b}[?2", "\u{1b}[3J", "\u{1b}[1;1H",
];


