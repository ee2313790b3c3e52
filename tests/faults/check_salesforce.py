#!/usr/bin/env -S /usr/bin/python3 -B
"""Every way to log in to the emulator's Salesforce half, and its REST calls, held against the contract by a client that shares no code with it."""
import base64
import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse

from emulator_client import Emulator
from local_emulator import run_against


def test_oauth(em):
    def error(status, name, answer):
        assert answer[0] == status and json.loads(answer[1])["error"] == name, answer[:2]
    status, body, _ = em.token()
    j = json.loads(body)
    assert status == 200 and j["instance_url"] == em.settings["instance_url"] and j["access_token"].startswith(em.org[:15] + "!")
    assert isinstance(j["issued_at"], str) and j["token_type"] == "Bearer"
    error(400, "invalid_client", em.token(client_secret="wrong"))
    error(400, "invalid_client_id", em.token(client_id="wrong"))
    error(400, "unsupported_grant_type", em.token(grant_type="magic"))
    password = open(em.dir + "/salesforce-password").read()
    user = "integration@emulator.example"
    assert em.token(grant_type="password", username=user, password=password)[0] == 200
    error(400, "invalid_grant", em.token(grant_type="password", username=user, password="no"))
    bearer = {"Authorization": "Bearer " + j["access_token"]}
    me = json.loads(em.http("GET", "/services/oauth2/userinfo", headers=bearer)[1])
    assert me["organization_id"] == em.org and me["user_id"].startswith("005")
    status, body, _ = em.http("GET", "/services/oauth2/userinfo", headers={"Authorization": "Bearer x"})
    assert (status, body) == (403, "Bad_OAuth_Token")
    assert em.form("/services/oauth2/revoke", token=j["access_token"])[0] == 200
    error(400, "invalid_token", em.form("/services/oauth2/revoke", token="nothing"))
    assert em.http("GET", "/services/oauth2/userinfo", headers=bearer)[0] == 403
    soap = ("<se:Envelope xmlns:se='http://schemas.xmlsoap.org/soap/envelope/'><se:Body><login xmlns='urn:partner.soap.sforce.com'>"
            "<username>%s</username><password>%s</password></login></se:Body></se:Envelope>")
    status, body, _ = em.http("POST", "/services/Soap/u/64.0", (soap % (user, password)).encode(), {"SOAPAction": '""'})
    assert status == 200 and "<sessionId>" in body and "<passwordExpired>false<" in body
    status, body, _ = em.http("POST", "/services/Soap/u/64.0", (soap % (user, "no")).encode())
    assert status == 500 and "INVALID_LOGIN: Invalid username" in body
    status, body, _ = em.http("POST", "/services/Soap/u/65.0", (soap % (user, password)).encode())
    assert status == 500 and "UNSUPPORTED_API_VERSION" in body


def test_browser_login(em):
    host = urllib.parse.urlsplit(em.settings["instance_url"])
    verifier = base64.urlsafe_b64encode(os.urandom(128)).decode().rstrip("=")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    redirect = "http://localhost:1717/OauthRedirect"

    def consent():
        c = http.client.HTTPSConnection(host.hostname, host.port, context=em.tls)
        c.request("GET", "/services/oauth2/authorize?" + urllib.parse.urlencode(dict(
            response_type="code", client_id=em.settings["client_id"], redirect_uri=redirect, state="s&1",
            code_challenge=challenge, code_challenge_method="S256", scope="api refresh_token")))
        answer = c.getresponse()
        assert answer.status == 302
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["Location"]).query))
        assert back["state"] == "s&1"
        return back["code"]

    def exchange(**more):
        return em.token(**dict(dict(grant_type="authorization_code", code=consent(), redirect_uri=redirect, code_verifier=verifier), **more))
    assert json.loads(exchange(code_verifier="x" * 43)[1])["error"] == "invalid_request"
    assert json.loads(exchange(redirect_uri="http://localhost:1/")[1])["error"] == "redirect_uri_mismatch"
    code = consent()
    j = json.loads(exchange(code=code)[1])
    assert json.loads(exchange(code=code)[1])["error"] == "invalid_grant"  # one use
    fresh = json.loads(em.token(grant_type="refresh_token", refresh_token=j["refresh_token"])[1])["access_token"]
    assert json.loads(exchange(code=j["refresh_token"])[1])["error"] == "invalid_grant"  # is no code
    other = json.loads(exchange()[1])
    assert em.form("/services/oauth2/revoke", token=j["refresh_token"])[0] == 200
    assert json.loads(em.token(grant_type="refresh_token", refresh_token=j["refresh_token"])[1])["error"] == "invalid_grant"
    # its access tokens end with it, those of others do not
    works = lambda token: em.http("GET", "/services/data/v67.0/limits", headers={"Authorization": "Bearer " + token})[0]
    assert [works(t) for t in (j["access_token"], fresh, other["access_token"], em.access_token)] == [401, 401, 200, 200]
    assert em.token(grant_type="refresh_token", refresh_token=other["refresh_token"])[0] == 200


def test_jwt(em):
    key = em.scratch + "/key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL)
    b64 = lambda b: base64.urlsafe_b64encode(b).decode().rstrip("=")

    def assertion(**more):
        claims = dict(iss=em.settings["client_id"], sub="integration@emulator.example", aud="https://login.salesforce.com",
                      exp=int(time.time()) + 180)
        head = b64(b'{"alg":"RS256"}') + "." + b64(json.dumps(dict(claims, **more)).encode())
        sign = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=head.encode(), stdout=subprocess.PIPE, check=True)
        return head + "." + b64(sign.stdout)

    def ask(text):
        return em.form("/services/oauth2/token", grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=text)
    assert "approved" in ask(assertion())[1]
    subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", em.dir + "/jwt-public.pem"], check=True, stderr=subprocess.DEVNULL)
    status, body, _ = ask(assertion())
    j = json.loads(body)
    assert status == 200 and j["access_token"] and j["instance_url"] and not {"issued_at", "signature", "refresh_token"} & set(j), body
    for claims, words in ((dict(aud="https://example.com"), "audience is invalid"), (dict(exp=int(time.time()) - 9), "expired"),
                          (dict(exp=int(time.time()) + 9000), "invalid assertion"), (dict(sub="me"), "approved")):
        assert words in json.loads(ask(assertion(**claims))[1])["error_description"], words
    text = assertion()
    assert "invalid assertion" in ask(text[:-8] + "AAAAAAAA")[1]


def test_rest(em):
    bearer = {"Authorization": "Bearer " + em.access_token}
    get = lambda path: em.http("GET", path, headers=bearer)
    assert "67.0" in [v["version"] for v in json.loads(em.http("GET", "/services/data")[1])]
    status, body, headers = get("/services/data/v67.0/sobjects")
    names = {o["name"] for o in json.loads(body)["sobjects"]}
    assert {"Account", "AccountChangeEvent", "Invoice__c", "Invoice__ChangeEvent", "Order_Event__e"} <= names
    assert headers["Sforce-Limit-Info"].startswith("api-usage=")
    assert json.loads(get("/services/data/v67.0/limits")[1])["DailyDeliveredPlatformEvents"]["Max"] > 0
    q = lambda text: get("/services/data/v67.0/tooling/query?q=" + urllib.parse.quote_plus(text))
    members = json.loads(q("SELECT Id,DeveloperName,EventChannel,SelectedEntity,FilterExpression FROM PlatformEventChannelMember")[1])
    assert members["done"] and members["totalSize"] == 7 and members["records"][0]["attributes"]["type"]
    channels = json.loads(q("SELECT Id,DeveloperName,ChannelType,MasterLabel FROM PlatformEventChannel")[1])
    assert channels["records"][0]["Id"] in {m["EventChannel"] for m in members["records"]}
    entity = [m["SelectedEntity"] for m in members["records"] if m["SelectedEntity"].startswith("01I")][0]
    found = json.loads(q(f"SELECT DurableId,QualifiedApiName FROM EntityDefinition WHERE DurableId IN ('{entity}','{entity[:15]}')")[1])
    assert [r["QualifiedApiName"] for r in found["records"]] == ["Invoice__ChangeEvent"], found
    for text, code in (("SELECT", "MALFORMED_QUERY"), ("SELECT Id FROM Nope", "INVALID_TYPE"), ("SELECT X FROM PlatformEventChannel", "INVALID_FIELD")):
        status, body, _ = q(text)
        assert status == 400 and json.loads(body)[0]["errorCode"] == code, body
    accounts = json.loads(get("/services/data/v67.0/query?q=SELECT+COUNT()+FROM+Account")[1])["totalSize"]
    assert accounts == len(json.loads(get("/services/data/v67.0/query?q=SELECT+Id+FROM+Account")[1])["records"]) > 0
    for token, code, words in (("no", "INVALID_SESSION_ID", "Session expired or invalid"),
                               (em.org[:15] + "!AQEAx.y-z", "INVALID_SESSION_ID", "Session expired or invalid"),
                               ("[REDACTED] Use 'sf org auth show-access-token' to view", "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"),
                               ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT")):
        status, body, _ = em.http("GET", "/services/data/v67.0/limits", headers={"Authorization": "Bearer " + token})
        assert status == 401 and json.loads(body) == [dict(errorCode=code, message=words)], body
    assert get("/nowhere")[0] == 404


TESTS = [test_oauth, test_browser_login, test_jwt, test_rest]

if __name__ == "__main__":
    sys.exit(run_against(Emulator("--events", "3000", "--seed", "7"), TESTS))
