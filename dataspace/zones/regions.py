"""The provincial divisions of GB/T 2260: code, name, letter of the plates, some of the cities and districts.

Enough to know an address or a resident number by its first characters, and to
make up a synthetic address; it is no gazetteer.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Province:
    """A provincial division; `code` is the first two digits of its divisions' codes."""

    code: str
    name: str
    plate: str
    places: tuple[str, ...]

    @property
    def short(self) -> str:
        """The name as people say it."""
        for ending in ("特别行政区", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "省", "市"):
            if self.name.endswith(ending):
                return self.name.removesuffix(ending)
        return self.name


def _province(code: str, name: str, plate: str, places: str) -> Province:
    return Province(code, name, plate, tuple(places.split()))


PROVINCES = (
    _province("11", "北京市", "京", "东城区 西城区 朝阳区 海淀区"),
    _province("12", "天津市", "津", "和平区 河西区 南开区"),
    _province("13", "河北省", "冀", "石家庄市 唐山市 保定市"),
    _province("14", "山西省", "晋", "太原市 大同市 临汾市"),
    _province("15", "内蒙古自治区", "蒙", "呼和浩特市 包头市 赤峰市"),
    _province("21", "辽宁省", "辽", "沈阳市 大连市 鞍山市"),
    _province("22", "吉林省", "吉", "长春市 吉林市 四平市"),
    _province("23", "黑龙江省", "黑", "哈尔滨市 齐齐哈尔市 大庆市"),
    _province("31", "上海市", "沪", "黄浦区 徐汇区 浦东新区"),
    _province("32", "江苏省", "苏", "南京市 苏州市 无锡市"),
    _province("33", "浙江省", "浙", "杭州市 宁波市 温州市"),
    _province("34", "安徽省", "皖", "合肥市 芜湖市 蚌埠市"),
    _province("35", "福建省", "闽", "福州市 厦门市 泉州市"),
    _province("36", "江西省", "赣", "南昌市 九江市 赣州市"),
    _province("37", "山东省", "鲁", "济南市 青岛市 烟台市"),
    _province("41", "河南省", "豫", "郑州市 洛阳市 开封市"),
    _province("42", "湖北省", "鄂", "武汉市 宜昌市 襄阳市"),
    _province("43", "湖南省", "湘", "长沙市 株洲市 岳阳市"),
    _province("44", "广东省", "粤", "广州市 深圳市 佛山市"),
    _province("45", "广西壮族自治区", "桂", "南宁市 柳州市 桂林市"),
    _province("46", "海南省", "琼", "海口市 三亚市 儋州市"),
    _province("50", "重庆市", "渝", "渝中区 江北区 沙坪坝区"),
    _province("51", "四川省", "川", "成都市 绵阳市 宜宾市"),
    _province("52", "贵州省", "贵", "贵阳市 遵义市 六盘水市"),
    _province("53", "云南省", "云", "昆明市 曲靖市 玉溪市"),
    _province("54", "西藏自治区", "藏", "拉萨市 日喀则市 林芝市"),
    _province("61", "陕西省", "陕", "西安市 宝鸡市 咸阳市"),
    _province("62", "甘肃省", "甘", "兰州市 天水市 酒泉市"),
    _province("63", "青海省", "青", "西宁市 海东市"),
    _province("64", "宁夏回族自治区", "宁", "银川市 石嘴山市 吴忠市"),
    _province("65", "新疆维吾尔自治区", "新", "乌鲁木齐市 克拉玛依市 哈密市"),
    _province("71", "台湾省", "台", "台北市 高雄市 台中市"),
    _province("81", "香港特别行政区", "港", "中西区 湾仔区"),
    _province("82", "澳门特别行政区", "澳", "花地玛堂区 大堂区"),
)
