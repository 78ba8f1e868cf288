"""Read a picture with Python and nothing else.

export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
python3 sample_urllib.py picture.jpg
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

picture = Path(sys.argv[1]).read_bytes()
request = urllib.request.Request(
    os.environ["ZIYAN_URL"] + "/ocr",
    # urlencode escapes the +, / and = of base64.
    data=urllib.parse.urlencode({"img": base64.b64encode(picture)}).encode(),
    headers={"Authorization": "APPCODE " + os.environ["ZIYAN_APPCODE"]},
)
try:
    with urllib.request.urlopen(request, timeout=60) as response:
        print(json.load(response)["data"])
except urllib.error.HTTPError as error:
    # 666: the request itself is at fault, and the body says why. Everything else is told in a header.
    message = json.load(error)["msg"] if error.code == 666 else error.headers["X-Ca-Error-Message"]
    sys.exit(f"{error.code}: {message}")
