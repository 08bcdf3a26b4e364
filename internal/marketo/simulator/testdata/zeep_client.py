"""Calls the simulator with zeep: WSDL address, user and secret as arguments."""
import datetime
import hashlib
import hmac
import json
import sys

import zeep
from zeep.exceptions import Fault

address, user, secret = sys.argv[1:4]
client = zeep.Client(address)
NS = "{http://www.marketo.com/mktows/}"
Header = client.get_element(NS + "AuthenticationHeader")
Attribute = client.get_type(NS + "Attribute")


def header(key=secret):
    at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    signature = hmac.new(key.encode(), (at + user).encode(), hashlib.sha1).hexdigest()
    return [Header(mktowsUserId=user, requestSignature=signature, requestTimestamp=at)]


def attributes(**values):
    return {"attribute": [Attribute(attrName=name, attrValue=value) for name, value in values.items()]}


def sync(operation, *objects):
    answer = client.service.syncCustomObjects(
        objTypeName="RoadShow",
        customObjList={"customObj": [{"customObjKeyList": k, "customObjAttributeList": a} for k, a in objects]},
        operation=operation,
        _soapheaders=header(),
    )
    return [status.status for status in answer.syncCustomObjStatus]


def get(**filters):
    answer = client.service.getCustomObjects(
        objTypeName="RoadShow",
        batchSize=10,
        customObjKeyList=attributes(**filters) if filters else None,
        includeAttributes={"stringItem": ["city"]},
        _soapheaders=header(),
    )
    return answer.returnCount, [
        {a.attrName: a.attrValue for part in (o.customObjKeyList, o.customObjAttributeList) if part for a in part.attribute}
        for o in answer.customObjList.customObj
    ]


out = {}
out["created"] = sync("UPSERT", (attributes(rid="1"), attributes(city="Kö & <B>")), (attributes(rid="2"), attributes(city="x")))
out["again"] = sync("UPSERT", (attributes(rid="1"), attributes(city="Kö & <B>")), (attributes(rid="2"), attributes(city="")))
out["insert"] = sync("INSERT", (attributes(rid="1"), attributes(city="y")), (attributes(rid="3"), attributes(city="z")))
out["update"] = sync("UPDATE", (attributes(rid="3"), attributes(city="zz")), (attributes(rid="4"), attributes(city="z")))
out["default"] = sync(None, (attributes(rid="5"), None))
out["one"] = get(rid="1")
out["all"] = get()
deleted = client.service.deleteCustomObjects(
    objTypeName="RoadShow",
    customObjKeyLists={"keyList": [attributes(rid="1"), attributes(rid="9")]},
    _soapheaders=header(),
)
out["deleted"] = [status.status for status in deleted.syncCustomObjStatus]
out["types"] = client.service.listMObjects(_soapheaders=header())
out["described"] = [f.name for f in client.service.describeMObject(objectName="RoadShow", _soapheaders=header()).fieldList.field]
try:
    client.service.listMObjects(_soapheaders=header("wrong"))
    out["fault"] = "none"
except Fault as fault:
    out["fault"] = fault.detail[0].find("code").text
json.dump(out, sys.stdout)
