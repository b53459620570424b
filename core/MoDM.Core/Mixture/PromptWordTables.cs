namespace MoDM.Mixture;

/// <param name="Class">Words exclude each other within a class only; of a <see cref="WordKind.Side"/> its axis; empty: things.</param>
/// <param name="Words">A comma ends a group of synonyms, of the kinds that have any; "_" joins a phrase.</param>
internal readonly record struct WordTable(WordKind Kind, string Class, string Words);

/// <summary>What the guards know of English. The first table that has a word keeps it.</summary>
internal static class PromptWordTables
{
    public static readonly WordTable[] All =
    [
        new(WordKind.Article, "", """
            a an, the this that these those his her its their my your our some any each every who which
            """),
        new(WordKind.Link, "", """
            of in on at with by near and or but to from into onto through across along beside besides between among amid amidst against
            around about during for as next_to close_to while where when like toward towards past via plus then also aboard alongside
            together_with upon off out up down per than because if there here it he she they we i you them him
            """),
        new(WordKind.Light, "", """
            is are was were be been being has have had having wear wears wore worn wearing hold holds held holding carry carries carried
            carrying contain contains containing include includes including feature features featuring featured show shows showing depict
            depicts depicting depicted see sees seen seeing do does did can could will would should made make makes making become becomes
            look looks looking wielding equipped dressed clad painted surrounded surrounding grasping gripping clutching sporting donning
            """),
        new(WordKind.Negator, "person", """
            nobody no_one noone
            """),
        new(WordKind.Negator, "", """
            no not without never none neither nor cannot lacking lacks lack minus sans non zero devoid_of free_of free_from empty_of isnt
            arent doesnt dont wasnt werent didnt hasnt havent cant wont instead_of rather_than except excluding
            """),
        new(WordKind.Unit, "", """
            mm cm k fps px dpi percent megapixel mp bit bits d iso p kg hz
            """),
        new(WordKind.Credit, "", """
            style_of art_by painting_by inspired_by painted_by drawn_by illustrated_by designed_by directed_by created_by photographed_by
            photo_by artwork_by shot_on shot_with captured_with shot_by manner_of
            """),
        new(WordKind.Side, "within", """
            inside within inside_of, outside outside_of
            """),
        new(WordKind.Side, "depth", """
            in_front_of ahead_of before, behind
            """),
        new(WordKind.Side, "level", """
            above over atop on_top_of overhead, below under beneath underneath
            """),
        new(WordKind.Side, "height", """
            top topmost upper, bottom bottommost lower
            """),
        new(WordKind.Side, "compass", """
            east, west, north, south
            """),
        new(WordKind.Side, "across", """
            left leftmost lefthand left_hand_side, right rightmost righthand right_hand_side
            """),
        new(WordKind.Colour, "", """
            black-and-white black_and_white black_white b_and_w bw monochrome monochromatic grayscale greyscale colorless colourless,
            sepia, red crimson scarlet ruby_red vermilion, maroon burgundy, blue azure cobalt, navy navy_blue dark_blue midnight_blue,
            turquoise teal cyan aqua aquamarine, green emerald_green, olive olive_green, yellow lemon_yellow, orange, amber, purple violet
            magenta_purple, magenta fuchsia, lavender lilac, pink rose_pink hot_pink, white snow_white ivory off_white, black jet_black
            ebony pitch_black, gray grey ash_gray slate_gray, brown chestnut_brown, tan beige khaki cream_colored, gold golden gilded,
            silver silvery, bronze, copper, blond blonde, multicolor multicolored multicoloured rainbow_colored rainbow_coloured colorful
            colourful multi_colored
            """),
        new(WordKind.Shade, "", """
            dark deep, light pale pastel
            """),
        new(WordKind.Look, "", """
            lighting light style styled shot lens focus quality resolution angle view composition shading color colors colour colours tone
            tones palette background backdrop atmosphere mood aesthetic aesthetics engine detail details texture textures render rendering
            effect effects photography ratio scattering occlusion tracing perspective exposure illumination glow rays exposures
            field_of_view depth_of_field magazine contrast shadows reflections definition fidelity finish lines brushstrokes strokes grain
            vibe theme screen_space highlights line_art linework cover
            """),
        new(WordKind.Style, "", """
            photo photograph picture image portrait painting drawing sketch illustration artwork art artistic artist render rendered
            sketched drawn etching etched engraving snapshot postcard poster wallpaper print canvas oil watercolor watercolour acrylic
            gouache ink pencil pen charcoal crayon pastel_drawing fresco mural digital digitally 3d 2d cgi vector anime manga cartoon
            comic pixel lowpoly low_poly isometric photoreal photorealistic photorealism realistic realism hyperrealism hyperrealistic
            surreal surrealism surrealist abstract impressionism impressionist expressionist baroque rococo renaissance art_nouveau
            art_deco minimalist minimalism concept matte masterpiece masterpieces best high highest highly hi ultra super hyper extremely
            very incredibly insanely really so too detailed hyperdetailed ultradetailed intricate elaborate elegant beautiful gorgeous
            stunning breathtaking amazing awesome incredible exquisite wonderful magnificent lovely pretty perfect nice cute epic
            cinematic dramatic dynamic vivid vibrant moody ethereal dreamy dreamlike whimsical atmospheric volumetric ambient global
            studio soft sharp smooth crisp clean clear grainy blurry blur bokeh shallow muted pastel saturated symmetrical symmetry
            centered centred award winning award_winning professional trending popular featured artstation deviantart cgsociety pixiv
            behance unsplash flickr pinterest reddit instagram 500px hearthstone artbook unreal octane redshift vray v_ray blender zbrush
            cinema4d cinema_4d arnold maya houdini unity photoshop procreate raytraced ray_traced ray raytracing subsurface rim backlit
            backlight closeup close_up close macro wide_angle telephoto fisheye fish_eye birds_eye_view bird_eye_view bird_eye wide
            full_body full_shot half_body upper_body headshot medium_shot long_shot establishing selfie first_person third_person hd uhd
            fhd hdr hq 4k 8k 16k dslr film analog analogue polaroid nikon canon sony leica kodak portra fuji fujifilm hasselblad
            national_geographic wlop greg rutkowski artgerm mucha alphonse ghibli studio_ghibli vintage_photo synthwave vaporwave
            cyberpunk steampunk dieselpunk fantasy sci_fi scifi science_fiction retro aesthetic official fine_art museum gallery
            golden_hour blue_hour golden_ratio rule_of_thirds god_rays god chiaroscuro tilt_shift time_lapse double_exposure watermark
            signature logo border jpeg artifacts noise cropped uncropped frame still scene wallpapers version colored coloured in_color
            """),
        new(WordKind.Quality, "", """
            great good fine bright shiny wooden silken woolen modern simple plain calm serene tranquil peaceful quiet still gentle
            majestic grand noble mysterious eerie spooky scary creepy haunting ominous strange weird odd bizarre fierce brave proud wise
            fancy ornate worn weathered rustic rough lush dense thick thin tall short long wide narrow deep low distant far warm cool hot
            cold fresh crisp raw rare wild tame magical mystical enchanted enchanting charming quaint cozy cosy adorable sweet fluffy
            furry just only alone standing located positioned placed posing set again ever always almost quite more most much many several
            few various numerous multiple other another same new real true own all everywhere anywhere somewhere middle center centre side
            edge corner part end kind sort type piece bit lot lots look looking thing object visible present background foreground style
            vintage early late hour time hours moment weather conditions
            """),
        new(WordKind.Content, "season", """
            spring springtime, summer summertime, autumn fall autumnal, winter wintertime wintry
            """),
        new(WordKind.Content, "sky", """
            morning dawn sunrise daybreak early_morning rising_sun sun_rising, noon midday day daytime broad_daylight sunny_day
            clear_day, evening evening_glow sunset dusk
            twilight nightfall sundown setting_sun sun_setting, night midnight nighttime moonlit
            dark_night, sun sunny sunshine sunlit, rain rainy
            raining rainfall, snow snowy snowing snowfall, fog foggy mist misty haze hazy, storm stormy thunderstorm tempest, cloud cloudy
            overcast, aurora northern_lights polar_lights
            """),
        new(WordKind.Content, "age", """
            young youthful, old elderly aged ancient aging
            """),
        new(WordKind.Content, "size", """
            big large huge giant gigantic enormous massive colossal immense, small little tiny miniature mini wee
            """),
        new(WordKind.Content, "mood", """
            happy cheerful joyful merry glad smiling laughing, sad unhappy sorrowful gloomy crying weeping, angry furious enraged mad
            """),
        new(WordKind.Content, "state", """
            open opened, closed shut, empty vacant, full filled crowded
            """),
        new(WordKind.Content, "sex", """
            male masculine, female feminine
            """),
        new(WordKind.Content, "pose", """
            sit sits sat sitting seated perched perching, stand stood, sleep sleeping asleep slept napping dozing, run running ran runs
            sprinting jogging, walk walking strolling wandering, jump jumping leaping hopping, fly flying flew flies soaring hovering,
            swim swimming swam, eat eating ate eats dining devouring, drink drinking drank, read reading, dance dancing, fight fighting
            battling, climb climbing, fall_down falling
            """),
        new(WordKind.Animal, "", """
            cat kitty feline cats, kitten, dog hound canine, puppy pup doggy, horse stallion, pony, mare, fox, wolf wolves, bear, rabbit
            bunny hare, mouse mice, rat, lion, lioness, tiger, leopard panther, cheetah, elephant, giraffe, zebra, monkey ape, gorilla,
            cow, bull, ox oxen, pig piglet hog, sheep lamb, goat, deer stag, moose elk, donkey, camel, llama alpaca, kangaroo, koala,
            panda, raccoon, squirrel, hedgehog, otter, beaver, badger, bat, whale, dolphin, shark, octopus, crab, lobster, turtle
            tortoise, frog toad, snake serpent, lizard, crocodile alligator, dinosaur, bird, owl, eagle, hawk falcon, crow raven, parrot
            macaw, penguin, duck, goose geese, swan, chicken hen, rooster, peacock, flamingo, butterfly, bee, spider, ant, beetle, fish,
            salmon, hamster, seal, walrus, unicorn, dragon wyvern, phoenix
            """),
        new(WordKind.Content, "", """
            person people human humans somebody someone anybody anyone figure figures, woman women lady, man men gentleman gentlemen guy,
            girl, boy lad, child kid children, baby infant newborn toddler, soldier trooper, warrior fighter, doctor physician, sailor
            seaman mariner, pilot aviator, wizard sorcerer mage, witch sorceress, king monarch, queen, thief robber burglar, policeman cop
            police_officer, fireman firefighter, teacher instructor, student pupil, friend buddy pal, mother mom mum, father dad,
            grandmother grandma, grandfather grandpa, astronaut cosmonaut spaceman, farmer, alien extraterrestrial, ghost spirit spectre
            specter, monster creature beast, robot android automaton, skeleton, clown jester, car automobile motorcar, truck lorry, bus,
            bicycle bike, motorcycle motorbike, train locomotive railway_train, airplane plane aeroplane aircraft, ship vessel, boat
            rowboat rowing_boat, sailboat sailing_boat sailing_ship, ufo flying_saucer, balloon hot_air_balloon, airship zeppelin blimp,
            rocket space_rocket, spaceship spacecraft starship, subway underground_train, tram streetcar, carriage, tank, van minivan,
            taxi cab, house home, cottage bungalow, cabin hut shack log_cabin
            small_house, castle fortress citadel, palace, church chapel, cathedral,
            temple shrine, tower, skyscraper high_rise, building, shop store, pub tavern bar inn, hospital, school, library, factory,
            barn, farm, lighthouse, windmill, tent, market marketplace bazaar, cemetery graveyard, prison jail, movie_theater cinema,
            theater theatre, apartment flat, room chamber, kitchen, garage, garden yard backyard, park, road highway street roadway, path
            trail footpath, alley alleyway, city metropolis town cityscape skyline city_skyline tall_buildings, village hamlet, bridge, harbor harbour port, dock pier
            jetty, fence, wall, window, door doorway, roof rooftop, stair stairs staircase steps, sea ocean calm_water open_water, lake, pond, river stream
            creek brook, waterfall cascade, beach seashore shore seaside coast, forest woods woodland pine_forest pine_trees, jungle rainforest, swamp marsh bog
            wetland, desert dune desert_dunes sand_dunes,
            mountain peak mount mountains snowy_mountains snow_capped_peaks, hill hillside hilltop, cliff precipice, valley vale, canyon gorge
            ravine red_canyon rock_cliffs red_rock_cliffs, cave cavern grotto, island isle, meadow grassland pasture rolling_hills green_hills, field, sky heavens, star starry stars, moon moonlight,
            planet, galaxy, space outer_space cosmos, tree, flower blossom bloom, rose, leaf leaves foliage, grass, stone rock boulder,
            pebble, wood timber, fire flame blaze, smoke, water, ice, sand, soccer football, sofa couch settee, chair armchair, table,
            desk, bed, lamp, lantern, candle, mirror, curtain, carpet rug, clock, watch, cup mug, glass, bottle, plate dish, bowl, knife,
            sword blade, gun pistol, bow, arrow, shield, armor armour, hat, cap, crown, tiara, helmet, hood, mask, glasses spectacles
            eyeglasses, sunglasses shades, coat jacket overcoat, cloak cape, dress gown, suit, shirt t_shirt tshirt tee, sweater jumper
            pullover, pants trousers jeans, skirt, shoe, boot, sneakers trainers, glove, scarf, belt, necklace, ring, jewelry jewellery,
            bag handbag purse, backpack rucksack, umbrella parasol, book tome, newspaper, letter, map, phone telephone cellphone
            smartphone mobile_phone, computer pc, laptop notebook_computer, television tv telly, radio, camera, piano, guitar, violin
            fiddle, drum, trumpet, ball, kite, doll, toy, gift present_box, box crate, basket, barrel, trash_can rubbish_bin garbage_can
            dustbin, flag banner, sign signboard, statue sculpture, fountain, bread loaf, cake, pizza, burger hamburger cheeseburger,
            sandwich, soup, fruit, apple, lemon, cherry, strawberry, banana, pumpkin, cookie biscuit, candy sweets, coffee, tea, beer ale,
            wine, elevator lift, sidewalk pavement, gasoline petrol, beard, mustache moustache, hair haired, eye eyed, hand, tail, wing,
            horn, meter metre, plow plough plowed ploughed, pajama pyjama, traveling travelling, favorite favourite
            """),
        new(WordKind.Content, "group", """
            group flock herd pack crowd bunch swarm pile
            """),
    ];
}
