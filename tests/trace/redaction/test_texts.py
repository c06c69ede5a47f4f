"""Secrets in commands, settings, source and URLs go; what only refers to one, or is named alike, stays."""

import base64
import gzip
import time
import zlib
from urllib.parse import quote

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.redaction.requests import Redactor
from replay.trace.redaction.secrets import redacted_value, without_secrets
from replay.trace.redaction.texts import without_named_secrets

CANARY = "hush7canary"

IN_TEXTS = [
    "export API_KEY={}",
    "API_KEY={} ./run",
    "PGPASSWORD='{}' psql -h db",
    'curl -H "Authorization: Bearer {}" https://h/',
    "curl -H 'X-Api-Key: {}' https://h/",
    "curl --cookie 'a={}' -b 'x' https://h",
    'curl -H "Cookie: a=1; b={}" https://h',
    "curl -u ada:{} https://h/",
    "curl --user 'ada:{}' https://h/",
    "curl https://ada:{}@h.example/x",
    "git clone https://{}longenoughtobeatoken@github.com/a/b",
    "curl 'https://h/cb?access_token={}&x=1'",
    "https://h/a?key={}",
    "https://h/a;jsessionid={}?x=1",
    "https://h/cb#id_token={}",
    "mysql -u root -p{} db",
    "mysqldump -p {} db",
    "sshpass -p '{}' ssh h",
    "redis-cli -a {} ping",
    "docker login -u ada -p {} registry",
    "echo {} | docker login --password-stdin",
    "echo '{}' | sudo -S ls",
    "openssl rsa -passin pass:{}",
    "tool --password {} --verbose",
    "tool --api-key={}",
    'tool --client-secret "{}"',
    "password: {}\n",
    "db:\n  - user: ada\n    db_password: {}\n    port: 5\n",
    'secret = "{}"',
    "aws_secret_access_key = {}\n",
    "//registry.npmjs.org/:_authToken={}",
    "machine h login ada password {}",
    "const apiKey = '{}';",
    '{{"inner": "x", "password" : "{}"}} and more',
    "config['password'] = '{}'",
    "<password>{}</password>",
    '<add key="ApiKey" value="{}"/>',
    "CREATE USER ada IDENTIFIED BY '{}'",
    "Server=db;User Id=ada;Password={};",
    "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={};",
    "set-cookie: sid={}; Path=/",
    "gh auth login --with-token <<< {}",
    "aws configure set aws_secret_access_key {}",
    "npm config set //registry.npmjs.org/:_authToken {}",
    "setx API_TOKEN {}",
    "set -gx API_TOKEN {}",
    "vault login {}",
    "openssl enc -k {} -in x",
    "htpasswd -b users ada {}",
    "ldapsearch -x -w {} -b dc=x",
    "sqlcmd -S h -U sa -P {}",
    "sqlplus ada/{}@db",
    "smbclient //h/s -U 'ada%{}'",
    "net use z: //h/s {} /user:ada",
    "http -a ada:{} h/x",
    "ab -A ada:{} http://h/",
    "fly secrets set NAME={}",
    "gh secret set NAME --body {}",
    "keytool -storepass {} -list",
    '$p = ConvertTo-SecureString "{}" -AsPlainText',
    "expect assword: ; send {}\\r",
    'password = """{}"""',
    'token = b"{}"',
    "const token = `{}`;",
    "const apiKey: string = '{}';",
    'PASSWORD: Final[str] = "{}"',
    'let token = String::from("{}");',
    'password = SecretStr("{}")',
    "const token = process.env.TOKEN || '{}'",
    'api_key = os.environ.get("API_KEY") or "{}"',
    'os.getenv("API_KEY", "{}")',
    "define('DB_PASSWORD', '{}');",
    'monkeypatch.setenv("API_TOKEN", "{}")',
    'req.Header.Set("X-Api-Key", "{}")',
    'monkeypatch.setattr(settings, "API_KEY", "{}")',
    "if (password === '{}1') open()",
    "a:\n  api_key: >-\n    {}\n  b: 1\n",
    "- name: DB_PASSWORD\n  value: {}\n",
    "kind: Secret\nstringData:\n  x: {}\n",
    "<p:password><![CDATA[{}]]></p:password>",
    "INSERT INTO users (name, password) VALUES ('ada', '{}')",
    "user,password,age\nada,{},36\n",
    "a -----BEGIN PGP PRIVATE KEY BLOCK-----\n{}\n-----END PGP PRIVATE KEY BLOCK-----",
    'Digest username="ada", response="{}"',
    "X-Auth: a {} b",
    "cqlsh -u ada -p {}",
    "ipmitool -U ada -P {} power on",
    "snmpwalk -v2c -c {} h",
    "xfreerdp /u:ada /p:{} /v:h",
    "lftp -u ada,{} ftp.h",
    "rabbitmqctl add_user ada {}",
    "nmcli dev wifi connect x password {}",
    "poetry config pypi-token.pypi {}",
    "poetry config http-basic.x ada {}",
    "nuget push x.nupkg {} -Source y",
    "gcloud auth activate-refresh-token ada {}",
    "mc alias set x http://h AKIA {}",
    "bundle config gems.x.example ada:{}",
    "aws configure <<EOF\nAKIAIOSFODNN7EXAMPLE\n{}\neu-west-1\nEOF",
    "FROM x\nENV API_TOKEN {}\n",
    "requests.get(u, auth=('ada', '{}'))",
    'DriverManager.getConnection(url, "ada", "{}")',
    "kubectl create secret generic x --from-literal=a=1 --from-literal=b={}",
    "vault kv put secret/x a=1 b={}",
    "ansible-vault encrypt_string --vault-id dev@pw '{}' --name 'db_password'",
    "fly secrets set A=1 B={}",
    "the password is {}Q9",
    "my password: {}Q9 ok",
    "Use token {}Q9 to sign in",
    "| password | {}Q9 |",
    "url jdbc:oracle:thin:ada/{}@//h:1521/x",
    "post to https://x.webhook.office.com/webhookb2/{}aaaa-bbbb-cccc/IncomingWebhook/x",
    "sonar-scanner -Dsonar.login={}",
    "    client-key-data: {}\n",
    "password: &main {}\n",
    "password: !!str {}\n",
    "passwords:\n  - {}1\n",
    "db: {{user: ada, password: {}12}}\n",
    "<dict><key>password</key><string>{}</string></dict>",
    'variable "db_password" {{\n  default = "{}"\n}}',
    "echo 'db:5432:*:ada:{}' > ~/.pgpass",
]
HARMLESS = [
    "token = next(tokens)",
    "for key in sorted(keys): print(key)",
    "sort(key=lambda x: x)",
    "export API_KEY=$OTHER",
    "password=${PASSWORD}",
    "api_key = os.environ['API_KEY']",
    "password: must be at least eight characters long",
    "max_tokens=100 input_tokens=5",
    "Author: Ada Lovelace",
    "the token is sent in a header",
    "if key == other: pass",
    "--max-tokens 100",
    "state: open, code: 404",
    "https://h/issues?state=open&code=404&page=2",
    "cache-key: abc",
    "password = None",
    "monkey: banana",
    "if token.type == 'string': pass",
    'if token == "(" or key != "x": pass',
    "token = self.name.split('-')[-1]",
    'auth = f"Bearer {token}"',
    "user,age\nada,36\n",
    "INSERT INTO users (name) VALUES ('ada')",
    'getattr(self, "password", "none")',
    "set password to the new one",
    "kind: ConfigMap\ndata:\n  x: y\n",
    "docker run -p 8080:80 -t image",
    "tar -C /tmp -b 20",
    "secrets:\n  - db_password\n  - other\n",
    "tokens:\n  - id: 5\n    name: x1\n",
    "imagePullSecrets:\n  - name: regcred1\n",
    "const login = { user, password: hash, token: next }",
    "the password is required, and the token was refreshed",
    "| token | description of it |",
    "a secret to everybody but 2 of them",
    'variable "region" {\n  default = "eu-west-1"\n}',
    "ENV PATH /usr/local/bin",
    "snmpwalk -v2c localhost",
    "bundle config build.nokogiri --use-system-libraries",
    "vault kv get secret/x",
    "from 00:1A:2B:3C:4D:5E at 10:20:30",
]


@pytest.mark.parametrize("text", IN_TEXTS)
def test_a_secret_in_a_text_is_replaced_and_what_stands_around_it_stays(text):
    found = without_secrets(text.format(CANARY))

    assert CANARY not in found
    assert found.split()[0][:2] == text.format(CANARY).split()[0][:2]
    assert "redacted" in found


def test_a_password_file_of_postgres_is_known():
    assert (
        without_secrets(f"# x\ndb.internal:5432:app:ada:{CANARY}\n")
        == "# x\ndb.internal:5432:app:ada:redacted\n"
    )


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_names_a_secret_stays(text):
    assert without_secrets(text) == text


@pytest.mark.parametrize("text", IN_TEXTS)
def test_a_secret_is_found_in_base64_and_in_percent_encoding(text):
    told = f"x {text.format(CANARY)} y"
    coded = base64.b64encode(told.encode()).decode()

    assert without_secrets(f"data {coded} end") == "data redacted end"
    assert coded not in redacted_value({"content": coded}, without_secrets)["content"]


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, zstandard.compress])
def test_a_secret_is_found_in_base64_of_what_is_compressed(compress):
    coded = base64.b64encode(compress(f'{{"password":"{CANARY}"}}'.encode())).decode()

    assert without_secrets(f"x={coded}") == "x=redacted"
    # What was cut off is looked into as far as it goes.
    assert CANARY not in without_secrets(f"data {coded[:-8]} end")


@pytest.mark.parametrize("text", ["/cb?access_token={}", '{{"password":"{}"}}', "a=1&token={}"])
def test_a_url_in_a_url_is_looked_into(text):
    path = Redactor().of_request(()).path(f"/login?next={quote(text.format(CANARY), safe='')}&x=1")

    assert path == "/login?next=redacted&x=1"


@given(st.text(alphabet="=:&;?#-/ \"'\\{}<>.%\nabkeytokenpassword123", max_size=300))
def test_what_is_left_holds_none(text):
    once = without_named_secrets(text)
    assert without_named_secrets(once) == once


UNITS = [
    "a=",
    "key",
    "token=",
    "-u ",
    "key: ",
    "pass:",
    "<a",
    "echo x|",
    "login a password ",
    "%3D",
    'key="',
    "a:1:",
]


@pytest.mark.parametrize(
    "unit",
    [
        *UNITS,
        "mysql -",
        "--key ",
        "token='",
        "set a_key ",
        'f("key", ',
        "key: |\n a\n",
        "kind: Secret\ndata:\n a: b\n",
        "insert into a (key) values (",
        "a,key\n",
        "key: a = ",
        "key = a(",
        "http -a ",
        "<key><![CDATA[",
        "name: key\nvalue: ",
        "key || ",
        "A" * 40 + " ",
        "://a:",
        "key=\\",
        "abc.",
    ],
)
def test_a_search_takes_time_with_the_length_of_the_text(unit):
    def cpu_s(length):
        text = "token " + unit * (length // len(unit))
        begun = time.process_time()
        without_secrets(text)
        return time.process_time() - begun

    cpu_s(1000)
    # Of a quadratic search the ratio would be 256, whatever the machine.
    assert cpu_s(80_000) < 100 * max(cpu_s(5_000), 0.002)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ([{"name": "Authorization", "value": CANARY}], [{"name": "Authorization", "value": "redacted"}]),
        ({"command": ["tool", "--password", CANARY]}, {"command": ["tool", "--password", "redacted"]}),
        ({"command": ["curl", "-u", f"ada:{CANARY}"]}, {"command": ["curl", "-u", "redacted"]}),
        ({"grant_type": "authorization_code", "code": CANARY}, {"grant_type": "authorization_code", "code": "redacted"}),
        ({"code": "print(1)", "state": "open"}, {"code": "print(1)", "state": "open"}),
        ({"key": "colour", "sort_key": "a", "issueKey": "A-1"}, {"key": "colour", "sort_key": "a", "issueKey": "A-1"}),
        (["x-api-key", CANARY], ["x-api-key", "redacted"]),
        ({"required": ["password", "email"]}, {"required": ["password", "email"]}),
        ([{"k": "password", "v": CANARY}, {"k": "q", "v": "x"}], [{"k": "password", "v": "redacted"}, {"k": "q", "v": "x"}]),
        ({"selector": "#password", "text": CANARY}, {"selector": "#password", "text": "redacted"}),
        ({"element": "Search", "text": "x"}, {"element": "Search", "text": "x"}),
        ({"kind": "Secret", "data": {"a": CANARY}}, {"kind": "Secret", "data": {"a": "redacted"}}),
        ({"command": ["mysql", f"-p{CANARY}", "db"]}, {"command": ["mysql", "-predacted", "db"]}),
        ({"cookies": {"a": CANARY}}, {"cookies": {"a": "redacted"}}),
        ({"cookies": True}, {"cookies": True}),
        ({"pass": 12, "passed": True}, {"pass": 12, "passed": True}),
    ],
)  # fmt: skip
def test_members_are_told_by_what_stands_beside_them(value, kept):
    assert redacted_value(value, without_secrets) == kept


@pytest.mark.parametrize(
    "text",
    [
        "The token ReactComponent2Props is used",
        "Access key Layout2Test",
        "| token_name | GPT4TurboPreview |",
        "secret: `ClassName2X`",
        "- token: `Session2Token` is what it gives back",
        "| token | ClassName2X |",
    ],
)
def test_the_name_of_a_class_is_no_token(text):
    assert without_named_secrets(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "the password is Sunshine2Tomorrow",
        "token: aB3dE5gH7jK9",
        "| api_key | aB3dE5gH7jK9mN |",
        "secret is Xk9Lm2Pq8Rt5",
        "secret: `Xk9Lm2Pq8Rt5`",
        "password: `ClassName2X`",
        'secret: "ClassName2X"',
        "token: ClassName2X",
    ],
)
def test_a_password_of_words_and_a_token_of_none_are_taken_out(text):
    assert text.split()[-1 if "|" not in text else -2].strip('`"') not in without_named_secrets(text)
