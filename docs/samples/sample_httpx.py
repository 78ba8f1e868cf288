"""Read a picture with Python and httpx.

export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
python3 sample_httpx.py picture.jpg
"""

import base64
import os
import sys
from pathlib import Path

import httpx

picture = Path(sys.argv[1]).read_bytes()
response = httpx.post(
    os.environ["ZIYAN_URL"] + "/ocr",
    headers={"Authorization": "APPCODE " + os.environ["ZIYAN_APPCODE"]},
    data={"img": base64.b64encode(picture).decode()},  # a form; httpx escapes the +, / and = of base64
    timeout=60,
)
if response.status_code == 200:
    print(response.json()["data"])
elif response.status_code == 666:  # the request itself is at fault, and the body says why
    sys.exit(f"666: {response.json()['msg']}")
else:  # everything else is told in a header
    sys.exit(f"{response.status_code}: {response.headers.get('X-Ca-Error-Message')}")
