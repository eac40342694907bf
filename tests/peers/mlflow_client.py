"""What MLflow's own client makes of Testudo's registry: resolved, searched, downloaded, loaded, and refused.

Called as `mlflow_client.py TESTUDO FOLDER`; makes a vault in the folder, serves it, and asks it through the `mlflow`
of this interpreter. Ends with 1 when anything is not as it should be.
"""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

TESTUDO, FOLDER = (str(pathlib.Path(it).absolute()) for it in sys.argv[1:])
FOLDER = pathlib.Path(FOLDER)
BIG = 9 * (1 << 20) + 12_345

CONFIGURATION = """
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[upstreams.u]
family = "openai"
base_url = "practice"
[routes.r]
upstream = "u"
[vault]
policies = ["artifacts.cedar"]
[vault.approvers]
alice = "alice.pub"
[vault.operators.alice]
groups = ["release"]
[vault.artifacts.llama]
labels = ["shared"]
[vault.mlflow]
{more}
"""

POLICIES = """
@id("operator") permit(principal, action, resource) when { context.proof == Proof::"user" };
@id("release") permit(principal in Group::"release", action, resource) when { context.proof == Proof::"key" };
@id("serving") permit(principal in Group::"serving", action == Action::"read", resource in Label::"shared")
  when { context.proof == Proof::"token" };
@id("canary") permit(principal in Group::"canary", action == Action::"read", resource)
  when { context.proof == Proof::"token" && context.stages.contains("canary") };
"""

failures = []
checks = 0


def check(name, is_so, seen=""):
    global checks
    checks += 1
    if not is_so:
        failures.append(name)
        print(f"WRONG  {name}: {seen}")


def refused(name, code, act, says=""):
    """The act has to end in an exception of MLflow's that names the code."""
    try:
        got = act()
    except Exception as error:
        text = f"{type(error).__name__}: {getattr(error, 'error_code', '')} {error}"
        check(name, code in text and says in text, text)
    else:
        check(name, False, f"it was answered: {got}")


def testudo(*words):
    said = subprocess.run([TESTUDO, *words], cwd=FOLDER, capture_output=True, text=True)
    if said.returncode:
        sys.exit(f"testudo {' '.join(words)}: {said.stderr}")
    return said.stdout


def push(folder, name):
    return json.loads(testudo("model", "push", folder, name, "--unsigned", "--format", "json"))["version"]


def state(act, name, *more):
    return testudo("model", act, name, *more, "--private-key", "alice.pem", "--reason", f"{act} it")


def key(name, *more):
    return testudo("key", "create", "--name", name, *more).split()[0]


def hashes(folder):
    files = [it for it in pathlib.Path(folder).rglob("*") if it.is_file()]
    return {it.relative_to(folder).as_posix(): hashlib.sha256(it.read_bytes()).hexdigest() for it in files}


def wait_until_known(port, key):
    """A key is known within a second of its making."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/mlflow/api/2.0/mlflow/registered-models/get?name=llama",
        headers={"Authorization": f"Bearer {key}"},
    )
    for _ in range(200):
        try:
            urllib.request.urlopen(asked).close()
            return
        except urllib.error.HTTPError as error:
            if error.code != 401:
                return
            time.sleep(0.05)
    sys.exit("a new key is not known after ten seconds")


def make_models():
    import mlflow.pyfunc

    class Doubling(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input * 2

    mlflow.pyfunc.save_model(str(FOLDER / "one"), python_model=Doubling(), pip_requirements=[])
    two = FOLDER / "two"
    shutil.copytree(FOLDER / "one", two)
    (two / "weights").mkdir()
    (two / "weights" / "big.bin").write_bytes(os.urandom(1 << 20) * 9 + os.urandom(BIG - 9 * (1 << 20)))
    (two / "weights" / "empty.bin").write_bytes(b"")
    (two / "weights" / "a b+c & d=ä.txt").write_text("a name that has to be written otherwise in an address")
    three = FOLDER / "three"
    three.mkdir()
    (three / "bad.txt").write_text("nobody should have this")
    secret = FOLDER / "secret"
    secret.mkdir()
    (secret / "secret.txt").write_text("for few")


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Served:
    """The gateway, until the end of the block."""

    def __init__(self, port):
        self.port = port

    def __enter__(self):
        self.log = open(FOLDER / "log", "ab")
        self.process = subprocess.Popen([TESTUDO, "serve"], cwd=FOLDER, stdout=self.log, stderr=self.log)
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        sys.exit("the gateway does not listen; see " + str(FOLDER / "log"))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()


def configure(port, more=""):
    (FOLDER / "testudo.toml").write_text(CONFIGURATION.format(port=port, more=more))


def sound(client, ids):
    """What a key that may read is told and given."""
    import mlflow

    found = client.get_model_version_by_alias("llama", "prod")
    check("alias to version", str(found.version) == "2", found)
    check("tag of the version's id", found.tags.get("testudo.version") == ids["two"], found.tags)
    check("source", found.source == "testudo-vault:llama@" + ids["two"], found.source)
    check("who", found.user_id == "alice" and found.description == "promote it", found)
    check("status", found.status == "READY" and found.current_stage == "None", found)
    check("aliases of the version", list(found.aliases) == ["prod"], found.aliases)
    first = client.get_model_version("llama", "1")
    check("version by number", first.tags["testudo.version"] == ids["one"], first)
    model = client.get_registered_model("llama")
    check("aliases of the model", dict(model.aliases) == {"canary": "4", "prod": "2"}
          or {k: str(v) for k, v in model.aliases.items()} == {"canary": "4", "prod": "2"}, model.aliases)
    check("latest version", [str(it.version) for it in model.latest_versions] == ["4"], model.latest_versions)
    uri = client.get_model_version_download_uri("llama", "2")
    check("download uri", uri == "mlflow-artifacts:/llama/2", uri)
    searched(client)
    for uri, folder in [("models:/llama@prod", "two"), ("models:/llama/1", "one"), ("models:/llama/2", "two"),
                        ("models:/llama/latest", "one"), ("models:/llama/Canary", "one")]:
        begun = time.monotonic()
        got = mlflow.artifacts.download_artifacts(uri, dst_path=fresh())
        seconds = time.monotonic() - begun
        ours = {name: it for name, it in hashes(got).items() if name != "registered_model_meta"}
        wanted = hashes(FOLDER / folder)
        if uri in ("models:/llama/latest", "models:/llama/Canary"):
            wanted["added.txt"] = hashlib.sha256(b"the fourth").hexdigest()
        check(f"{uri} is what was pushed", ours == wanted, sorted(set(ours.items()) ^ set(wanted.items())))
        print(f"       {uri}: {len(ours)} files in {seconds:.2f} s")
    one = mlflow.artifacts.download_artifacts("models:/llama/2/weights/big.bin", dst_path=fresh())
    check("one file", hashlib.sha256(pathlib.Path(one).read_bytes()).hexdigest() == hashes(FOLDER / "two")["weights/big.bin"])
    part = mlflow.artifacts.download_artifacts("models:/llama/2/weights", dst_path=fresh())
    check("one folder", sorted(it.name for it in pathlib.Path(part).iterdir()) ==
          sorted(it.name for it in (FOLDER / "two" / "weights").iterdir()))
    import pandas

    loaded = mlflow.pyfunc.load_model("models:/llama@prod")
    answer = loaded.predict(pandas.DataFrame({"x": [1, 2]}))
    check("a loaded model answers", list(answer["x"]) == [2, 4], answer)


def searched(client):
    names = lambda **how: [it.name for it in client.search_registered_models(**how)]
    check("every model", names() == ["llama"], names())
    check("by name", names(filter_string="name = 'llama'") == ["llama"])
    check("by beginning", names(filter_string="name LIKE 'll%'", order_by=["name DESC"]) == ["llama"])
    check("by another name", names(filter_string="name ILIKE 'OTHER%'") == [])
    numbers = lambda **how: [str(it.version) for it in client.search_model_versions(**how)]
    check("versions", numbers(filter_string="name='llama'") == ["4", "2", "1"], numbers(filter_string="name='llama'"))
    check("versions in order", numbers(order_by=["version_number ASC"]) == ["1", "2", "4"])
    page = client.search_model_versions("name='llama'", max_results=2)
    rest = client.search_model_versions("name='llama'", max_results=2, page_token=page.token)
    check("pages", [str(it.version) for it in [*page, *rest]] == ["4", "2", "1"] and not rest.token, (page, rest))
    check("latest", [str(it.version) for it in client.get_latest_versions("llama")] == ["4"])
    refused("a filter that is none", "INVALID_PARAMETER_VALUE", lambda: numbers(filter_string="name ~ 'x'"))
    refused("an order that is none", "INVALID_PARAMETER_VALUE", lambda: numbers(order_by=["reason ASC"]))


def fresh():
    fresh.count = getattr(fresh, "count", 0) + 1
    folder = FOLDER / "downloads" / str(fresh.count)
    folder.mkdir(parents=True)
    return str(folder)


def denied(client):
    """What a key that may read is refused all the same."""
    import mlflow

    refused("an unknown model", "PERMISSION_DENIED", lambda: client.get_registered_model("nothing"))
    refused("an unknown alias", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version_by_alias("llama", "blue"))
    refused("an unknown version", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version("llama", "99"))
    refused("a version that is no number", "INVALID_PARAMETER_VALUE", lambda: client.get_model_version("llama", "x"))
    refused("a revoked version", "PERMISSION_DENIED", lambda: client.get_model_version("llama", "3"), "revoked")
    refused("where a revoked version is", "PERMISSION_DENIED",
            lambda: client.get_model_version_download_uri("llama", "3"), "revoked")
    refused("a revoked version's files", "PERMISSION_DENIED",
            lambda: mlflow.artifacts.download_artifacts("models:/llama/3", dst_path=fresh()), "revoked")
    refused("an alias of a revoked version", "PERMISSION_DENIED",
            lambda: client.get_model_version_by_alias("llama", "bad"), "revoked")
    refused("a denied model", "PERMISSION_DENIED", lambda: client.get_registered_model("secret"))
    refused("a denied alias", "PERMISSION_DENIED", lambda: client.get_model_version_by_alias("secret", "canary"))
    refused("a denied version", "PERMISSION_DENIED", lambda: client.get_model_version("secret", "1"))
    refused("a denied download", "403",
            lambda: mlflow.artifacts.download_artifacts("mlflow-artifacts:/secret/1/secret.txt", dst_path=fresh()))
    refused("an unknown file", "404",
            lambda: mlflow.artifacts.download_artifacts("models:/llama/1/none.bin", dst_path=fresh()))
    for name, says, act in [
        ("create a model", "testudo model push", lambda: client.create_registered_model("new")),
        ("create a version", "testudo model push", lambda: client.create_model_version("llama", "runs:/x", "x")),
        ("move an alias", "testudo model promote", lambda: client.set_registered_model_alias("llama", "prod", "1")),
        ("remove an alias", "testudo model promote", lambda: client.delete_registered_model_alias("llama", "prod")),
        ("delete a version", "testudo model revoke", lambda: client.delete_model_version("llama", "1")),
        ("delete a model", "testudo model revoke", lambda: client.delete_registered_model("llama")),
        ("tag a model", "testudo model show", lambda: client.set_registered_model_tag("llama", "a", "b")),
    ]:
        refused(name, "PERMISSION_DENIED", act, says)


def others(port, keys):
    """Other keys, none, and one that may see what is a canary and nothing else."""
    from mlflow import MlflowClient

    def under(token):
        os.environ["MLFLOW_TRACKING_TOKEN"] = token
        return MlflowClient()

    wrong = "tsk_" + "0" * 16 + "_" + "0" * 43
    refused("a key that nobody made", "UNAUTHENTICATED", lambda: under(wrong).get_registered_model("llama"))
    refused("no key at all", "UNAUTHENTICATED", lambda: under("").get_registered_model("llama"))
    refused("a key without a role", "PERMISSION_DENIED", lambda: under(keys["none"]).get_registered_model("llama"))
    refused("a key of another route", "PERMISSION_DENIED", lambda: under(keys["route"]).get_registered_model("llama"))
    refused("a key of another model", "PERMISSION_DENIED", lambda: under(keys["model"]).get_registered_model("llama"))
    canary = under(keys["canary"])
    check("a key for canaries sees them", [it.name for it in canary.search_registered_models()] == ["llama", "secret"])
    found = canary.get_model_version_by_alias("llama", "canary")
    check("a key for canaries has them", str(found.version) == "4", found)
    refused("a key for canaries has nothing else", "PERMISSION_DENIED",
            lambda: canary.get_model_version_by_alias("llama", "prod"))
    seen = [str(it.version) for it in canary.search_model_versions("name='llama'")]
    check("a key for canaries finds nothing else", seen == ["4"], seen)


def tampered(client):
    """Content that somebody changed in the store, and statements that somebody put back."""
    import mlflow

    objects = sorted((FOLDER / "data/vault/artifacts/llama/objects").rglob("*"), key=lambda it: it.stat().st_size)
    big = objects[-1]
    before = big.read_bytes()
    for name, at in [("at the beginning", 100), ("on the way", 5 << 20), ("at the end", len(before) - 5)]:
        big.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1:])
        to = pathlib.Path(fresh())
        refused(f"content changed {name}", "",
                lambda: mlflow.artifacts.download_artifacts("models:/llama/2/weights/big.bin", dst_path=str(to)))
    big.write_bytes(before)
    statements = FOLDER / "data/vault/artifacts/llama/statements"
    last = sorted(statements.iterdir())[-1]
    shutil.move(last, FOLDER / "last")
    refused("an old state", "PERMISSION_DENIED", lambda: client.get_model_version_by_alias("llama", "prod"), "believed")
    shutil.move(FOLDER / "last", last)
    check("the newest state again", str(client.get_model_version_by_alias("llama", "prod").version) == "2")


def entered():
    """What the ledger says was asked, given and refused."""
    said = testudo("ledger", "query", "--type", "artifact", "--format", "json", "--limit", "1000")
    entries = [json.loads(line)["entry"] for line in said.splitlines()]
    actions = {}
    for entry in entries:
        action = entry["body"]["action"]
        actions[action] = actions.get(action, 0) + 1
    given = [it for it in entries if it["body"]["action"] == "download"]
    check("every download names a key", all(it.get("principal") for it in given), given)
    print("       ledger:", ", ".join(f"{name} {count}" for name, count in sorted(actions.items(), key=str)))
    for wanted in ["resolve:prod", "resolve", "download", "refuse:read", "refuse", "refuse:key"]:
        check(f"{wanted} is in the ledger", actions.get(wanted, 0) > 0, actions)


def main():
    import warnings

    warnings.simplefilter("ignore")
    import mlflow
    from mlflow import MlflowClient

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.chdir(FOLDER)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    for command in (["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "alice.key"],
                    ["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", "alice.key", "-out", "alice.pem"],
                    ["openssl", "ec", "-in", "alice.key", "-pubout", "-out", "alice.pub"]):
        subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    port = free_port()
    configure(port)
    (FOLDER / "artifacts.cedar").write_text(POLICIES)
    make_models()
    with Served(port):
        ids = {name: push(name, "llama") for name in ["one", "two", "three"]}
        state("promote", "llama", ids["one"], "--alias", "prod")
        state("promote", "llama", ids["two"], "--alias", "prod")
        state("promote", "llama", ids["three"], "--alias", "bad")
        state("revoke", "llama", ids["three"])
        (FOLDER / "one" / "added.txt").write_text("the fourth")
        ids["four"] = push("one", "llama")
        (FOLDER / "one" / "added.txt").unlink()
        state("promote", "llama", ids["four"], "--alias", "canary")
        ids["secret"] = push("secret", "secret")
        state("promote", "secret", ids["secret"], "--alias", "canary")
        keys = {
            "serving": key("serving", "--role", "serving"),
            "canary": key("canary", "--role", "canary"),
            "none": key("nobody"),
            "route": key("elsewhere", "--role", "serving", "--route", "r"),
            "model": key("other", "--role", "serving", "--model", "gpt-*"),
        }
        for made in keys.values():
            wait_until_known(port, made)
        os.environ["MLFLOW_TRACKING_TOKEN"] = keys["serving"]
        mlflow.set_tracking_uri(f"http://127.0.0.1:{port}/mlflow")
        client = MlflowClient()
        sound(client, ids)
        denied(client)
        others(port, keys)
        os.environ["MLFLOW_TRACKING_TOKEN"] = keys["serving"]
        tampered(MlflowClient())
    entered()
    version = mlflow.__version__
    print(f"mlflow {version}: {checks - len(failures)} of {checks} as they should be")
    sys.exit(bool(failures))


main()
