import urllib.error, urllib.parse, urllib.request, sys
import ssl


host = 'https://ocr.market.example'
path = '/ocr'
method = 'POST'
appcode = '你自己的AppCode'
querys = ''
bodys = {}
url = host + path

bodys['img'] = '''图片base64编码'''
bodys['url'] = '''https://www.example.com/images/ocrtest.jpg'''
bodys['ver'] = '''0'''
post_data = urllib.parse.urlencode(bodys).encode()
request = urllib.request.Request(url, post_data)
request.add_header('Authorization', 'APPCODE ' + appcode)
request.add_header('Content-Type', 'application/x-www-form-urlencoded; charset=UTF-8')
request.add_header('User-Agent', 'Python-urllib/2.7')
ctx = ssl.create_default_context()
ctx.check_hostname = False
ctx.verify_mode = ssl.CERT_NONE
try:
    response = urllib.request.urlopen(request, context=ctx)
except urllib.error.HTTPError as error:
    response = error
content = response.read()
if (content):
    print(content.decode())
