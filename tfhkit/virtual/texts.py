"""What virtual speakers say: sentences in several languages, and made-up English ones."""

from collections.abc import Iterator, Sequence

import numpy as np

# Language codes that have sentences below; each has its own espeak-ng voice.
LANGUAGES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "sv", "pl")

ENGLISH = tuple(
    """
    My father bought a small blue boat before the summer began.
    Please put the paper cups back in the big brown box.
    We have been waiting for the bus since half past five.
    She sells fresh vegetables at the market every Saturday morning.
    Five brave foxes found a very fine place to hide.
    The weather will be warm and windy on Wednesday afternoon.
    Do you know whether the museum opens early this week?
    He moved the heavy table away from the open window.
    Bob and Emma met by the bridge to plan their move.
    A good cook should look at the food, not at the book.
    Why would anyone want to walk when we could ride our bikes?
    The judge changed her mind about the strange jewels.
    Three thin thieves thought about the other path through the woods.
    Zoe's cousin chose a zebra as the prize for his puzzle.
    I saw a small dog jump over the wall and run along the road.
    Our house is now without power, and the clouds are getting louder.
    The boy enjoyed the noise of coins that fell upon the floor.
    Ten men went west in a red tent, and they met many friends there.
    Maybe we may pay a little more to make the summer camp possible.
    You should not use that huge blue spoon for the soup.
    Paul called to say that the talk was awfully long.
    Her first word was bird, and her third was purple.
    It is easy to see the green leaves beneath the trees.
    Pack my bags and grab that black hat, the taxi is coming back.
    Nobody knows how old the stone road along the coast is.
    Mary bought pepper, butter, beef, and plums for the family.
    If you are hungry, the kitchen is full of bread and apples.
    When the music stops, everybody must find an empty chair.
    The moon is far away, but it pulls the ocean twice a day.
    Most people believe that practice matters more than talent.
    Quick, shut the door before the puppy pushes through!
    What a beautiful morning, and what a shame to spend it indoors.
    After the game, both teams shook hands and went for pizza.
    The river was shallow enough for us to wade across with our shoes on.
    Can you imagine a machine that measures pleasure?
    A young woman in a yellow raincoat waved from the other platform.
    In my view, the problem is neither money nor time.
    Every evening the old man fed the birds and watched them leave.
    We hope to publish our report about public transport in May.
    Remember to breathe, smile, and speak a bit more slowly.
    The price of fuel went up again, so fewer people drive to work.
    Both of my brothers play the piano, though neither likes to practise.
    Where did you put the scissors that were on the shelf?
    Mom made marmalade from bitter oranges and brown sugar.
    An honest answer is often the shortest one.
    This village has five wells, but only two of them give water.
    The captain promised to keep everyone on board safe.
    Look up, and you will see a plane above the mountain.
    Who owns the farm with the white fence and the wooden gate?
    Sixty six sailors sang sea songs while the ship was sinking slowly.
    Thank you for the flowers, they are lovely.
    Push the button, pull the lever, and step back behind the line.
    There was a pause, a cough, and then a burst of laughter.
    Vivid colours made the valley look like a painting.
    Open your mouth, say ah, and breathe out slowly.
    By the way, my wife wants to invite you for supper on Monday.
    He whispered a few words and quietly left the room.
    Go down to the shore and throw a stone as far as you can.
    Perhaps we ought to ask a lawyer before buying the property.
    Rain fell all week, yet the garden remained dry beneath the pines.
    """.strip().splitlines()
)
OTHERS = {
    "de": """
    Am Montag bleibt der Markt wegen des Umbaus leider geschlossen.
    Meine Mutter möchte im Frühling wieder ans Meer fahren.
    Könnten Sie bitte das Fenster öffnen, es ist furchtbar warm.
    Fünf Vögel flogen über die hohe Mauer in den Park.
    Wir haben gestern Abend bei Freunden gekocht und viel gelacht.
    Der Bäcker verkauft ab sechs Uhr frische Brötchen und süße Kuchen.
    Ob das Wetter hält, weiß im Augenblick niemand so genau.
    Bevor wir umziehen, müssen wir noch alle Bücher einpacken.""",
    "fr-fr": """
    Ma petite sœur voudrait apprendre à jouer du piano.
    Nous avons vu beaucoup de beaux bateaux dans le port ce matin.
    Il faut fermer la fenêtre avant que la pluie ne commence.
    Pourquoi est-ce que personne ne m'a prévenu plus tôt ?
    Le boulanger prépare son pain pendant que tout le monde dort.
    Au mois d'août, les rues de la ville sont presque vides.
    Un bon film vaut parfois mieux qu'un long voyage.
    Vous pouvez prendre le bus numéro neuf jusqu'au musée.""",
    "es": """
    Mi abuela prepara una sopa buenísima los domingos por la mañana.
    El barco pequeño salió del puerto antes de la tormenta.
    ¿Puedes comprar pan, fruta y un poco de jamón?
    Vamos a viajar a la montaña con unos buenos amigos.
    Nunca había visto una playa tan bonita como aquella.
    El profesor habló mucho, pero nadie comprendió el problema.
    Mañana empieza la fiesta del pueblo y habrá música.
    Me gusta el café fuerte, aunque por la noche no lo bebo.""",
    "it": """
    Mia madre prepara il pranzo per tutta la famiglia.
    Domani mattina prendiamo il primo treno per Bologna.
    Puoi aprire la finestra, per favore, fa molto caldo.
    Il bambino ha visto un piccolo uccello sopra il muro.
    Non so ancora se potremo venire alla festa di sabato.
    La piazza era vuota, ma il bar all'angolo era aperto.
    Un buon libro può cambiare il modo di vedere il mondo.""",
    "pt-br": """
    Minha família gosta de almoçar na varanda aos domingos.
    O menino pequeno correu pela praia com o cachorro.
    Você pode me passar a manteiga e um pouco de pão?
    Amanhã vamos visitar a fazenda do meu avô.
    A chuva começou de repente e todo mundo ficou molhado.
    Ninguém sabe onde foram parar as chaves do barco.""",
    "nl": """
    Mijn broer bouwt een houten boot achter het huis van mijn ouders.
    Wij wonen al vijf jaar vlak bij de oude brug.
    Kun je morgen een brood en wat boter meebrengen?
    De trein naar het westen vertrekt over twintig minuten.
    Voor het slapen drinkt zij altijd een kopje warme melk.
    Het weer was mooi, maar het water bleef veel te koud.""",
    "sv": """
    Min mamma bor i ett litet hus nära havet.
    På sommaren plockar vi bär och badar varje dag.
    Kan du öppna fönstret, det är väldigt varmt här inne.
    Bussen går om fem minuter från den gamla bron.
    Vi åt fisk och potatis och pratade om gamla tider.
    Ingen vet riktigt varför affären är stängd idag.""",
    "pl": """
    Moja mama piecze pyszne ciasto ze śliwkami.
    W poniedziałek pojedziemy pociągiem nad morze.
    Czy możesz zamknąć okno, bo bardzo wieje?
    Pięć małych psów biegało wokół starego domu.
    Po obiedzie poszliśmy na długi spacer do parku.
    Nikt nie wie, kiedy otworzą nowy most.""",
}
_ADJECTIVES = """big blue warm famous pretty broken empty heavy lovely moving yellow purple simple
    foreign happy thick smooth useful early wooden bright young public modern sharp""".split()
_NOUNS = """map boat farmer bottle family movie window village machine problem picture teacher
    valley jumper mirror orange shoe garden voice number bishop apple thumb brother wave
    umbrella computer vegetable museum beach joke cushion path""".split()
_VERBS = """moves buys finds wants watches follows opens pushes believes covers remembers throws
    promises measures borrows forgets chooses loves imagines carries paints""".split()
_PLACES = """above the bridge|before five|by the open fire|for my mother|in the big room|near a farm
    |over the wall|on Wednesday|from the west|with both hands|at home|under a tree|after the show
    |without much help|every evening|because of you""".replace("\n", "").split("|")


def sentences(language: str) -> tuple[str, ...]:
    """The built-in sentences of a language code such as "en-us" or "de"; English if it has none."""
    text = OTHERS.get(language)
    lines = text.strip().splitlines() if text else ENGLISH
    return tuple(line.strip() for line in lines)


def made_up_sentence(rng: np.random.Generator) -> str:
    """An English sentence of random words: grammatical, without sense, rich in sounds."""

    def pick(words: Sequence[str]) -> str:
        return words[int(rng.integers(len(words)))].strip()

    subject = f"{pick(('the', 'my', 'your', 'this', 'our'))} {pick(_ADJECTIVES)} {pick(_NOUNS)}"
    text = f"{subject} {pick(_VERBS)} {pick(('a', 'the', 'some', 'every'))} {pick(_NOUNS)}"
    if rng.random() < 0.7:
        text += f" {pick(_PLACES)}"
    if rng.random() < 0.35:
        text += f", {pick(('and', 'but', 'so'))} {pick(('we', 'they', 'you', 'I'))} "
        text += f"{pick(('buy', 'love', 'move', 'hope for', 'dream of'))} the {pick(_NOUNS)}"
    return text[0].upper() + text[1:] + pick((".", ".", ".", "?", "!"))


def script(language: str, seed: int | tuple[int, ...]) -> Iterator[str]:
    """Endless sentences in random order: the built-in ones, in English also made-up ones.

    Args:
        language: language code, without variant.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    own = sentences(language)
    while True:
        for i in rng.permutation(len(own)):
            yield own[i]
            if language.startswith("en") and rng.random() < 0.5:
                yield made_up_sentence(rng)
