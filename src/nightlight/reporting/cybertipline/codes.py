"""Every code of a `Fault`, with what it means in general, in the reviewers' languages.

A fault's own message is in English and says more, such as which lengths or words are allowed.
"""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.document import Fault

CODES: Mapping[str, Mapping[str, str]] = {
    "too_large": {"en": "The document is larger than 4 MiB.", "es": "El documento ocupa más de 4 MiB."},
    "encoding": {"en": "It is not written, or not declared, as UTF-8.", "es": "No está escrito, o no se declara, en UTF-8."},
    "malformed": {"en": "It is not well-formed XML.", "es": "No es XML bien formado."},
    "doctype": {"en": "It has a DOCTYPE. It is refused unread.", "es": "Lleva un DOCTYPE. Se rechaza sin leerlo."},
    "too_deep": {"en": "Elements are nested more than 16 deep.", "es": "Hay elementos anidados a más de 16 niveles."},
    "too_many_elements": {"en": "It has more than 50,000 elements.", "es": "Tiene más de 50.000 elementos."},
    "too_many_attributes": {"en": "An element has more than 16 attributes.", "es": "Un elemento tiene más de 16 atributos."},
    "unknown_root": {"en": "It begins with neither report nor fileDetails.", "es": "No empieza por report ni por fileDetails."},
    "namespace": {"en": "An element stands in a namespace; the format has none.", "es": "Hay un espacio de nombres; el formato no tiene."},
    "unknown_element": {"en": "There is no such element here.", "es": "Aquí no existe ese elemento."},
    "unknown_attribute": {"en": "There is no such attribute here.", "es": "Aquí no existe ese atributo."},
    "missing": {"en": "An element that must be there is missing.", "es": "Falta un elemento obligatorio."},
    "missing_attribute": {"en": "An attribute that must be there is missing.", "es": "Falta un atributo obligatorio."},
    "too_many": {"en": "An element stands twice that may stand once.", "es": "Se repite un elemento que solo puede estar una vez."},
    "order": {"en": "An element stands in the wrong place.", "es": "Un elemento está fuera de su sitio."},
    "one_of": {"en": "Not exactly one of several kinds is given.", "es": "No se da exactamente una de varias clases."},
    "text_here": {"en": "Loose text stands between elements.", "es": "Hay texto suelto entre elementos."},
    "not_a_value": {"en": "Elements stand where a value should.", "es": "Hay elementos donde debía haber un valor."},
    "not_empty": {"en": "An annotation must be an empty element.", "es": "Una anotación debe ser un elemento vacío."},
    "empty": {"en": "A value is blank.", "es": "Un valor está en blanco."},
    "too_long": {"en": "A text is too long.", "es": "Un texto es demasiado largo."},
    "not_in_list": {"en": "A value is none of those allowed.", "es": "Un valor no es de los permitidos."},
    "not_boolean": {"en": "A value is neither true nor false.", "es": "Un valor no es true ni false."},
    "not_number": {"en": "A value is no number.", "es": "Un valor no es un número."},
    "out_of_range": {"en": "A number is too small or too large.", "es": "Un número es demasiado pequeño o grande."},
    "not_moment": {"en": "A value is no date and time.", "es": "Un valor no es una fecha con hora."},
    "no_zone": {"en": "A time has no zone.", "es": "Una hora no tiene zona horaria."},
    "not_day": {"en": "A value is no date.", "es": "Un valor no es una fecha."},
    "not_past": {"en": "A time lies in the future.", "es": "Una hora está en el futuro."},
    "not_ip": {"en": "A value is no IP address.", "es": "Un valor no es una dirección IP."},
    "not_email": {"en": "A value is no e-mail address.", "es": "Un valor no es una dirección de correo."},
    "not_pattern": {"en": "A value is not written as it must be.", "es": "Un valor no está escrito como debe."},
    "not_hash": {"en": "A hash is not written as its type is.", "es": "Una huella no está escrita según su tipo."},
    "supplemental": {
        "en": "A supplemental file carries what only a reported one may.",
        "es": "Un archivo complementario lleva lo que solo puede llevar uno denunciado.",
    },
    "says_nothing": {"en": "Nothing is said of a person.", "es": "No se dice nada de una persona."},
    "machine_score": {"en": "A text gives a machine's score.", "es": "Un texto da la puntuación de una máquina."},
    "not_writable": {"en": "A text holds what XML cannot carry.", "es": "Un texto contiene lo que XML no puede llevar."},
    "more": {"en": "There are more faults than are shown.", "es": "Hay más errores de los que se muestran."},
}


def explained(fault: Fault, language: str = "en") -> str:
    """What to show beside the path: in English the fault's own message, otherwise what its code means. An unknown language is English."""
    if language == "en" or language not in CODES[fault.code]:
        return fault.message
    return CODES[fault.code][language]
